public import LifeboatCore
public import LifeboatFormat

extension CollectionProtocol {
    /// What to do.
    public enum Action: Hashable, Sendable {
        case log(LogWriting.Action)
        /// Find the names of all packs, runs and bodies in the store, as far as it tells.
        case list
        /// Find the packs that must stay for the points at hand.
        case mark(Round)
        /// Store anew what lies in sparse and small packs, and merge index runs.
        case tidy
        /// Read whether the roster has changed.
        case readRoster
        case delete([ObjectReference])
        case storeCheckpoint(Checkpoint)
        /// Delete log entries and checkpoints that the standing one covers.
        case truncate(LogEntry.CheckpointName, Checkpoint)
    }

    /// What came of it.
    public enum Reply: Sendable {
        case log(LogWriting.Reply)
        case listed([ObjectReference])
        case marked(Marking)
        case tidied(Tidying)
        case roster(Roster)
        case deleted([ObjectReference])
        case storedCheckpoint(LogEntry.CheckpointName)
        case truncated
    }

    /// The input of a marking.
    public struct Round: Hashable, Sendable {
        /// Points whose maps and chunks must stay.
        public var roots: [Ledger.Point]
        /// Packs that were emptied in this step.
        public var emptied: [Digest]
    }

    /// Which packs must stay.
    public struct Marking: Hashable, Sendable {
        public var kept: Set<Digest>
        public init(kept: Set<Digest>) { self.kept = kept }
    }

    /// What was stored anew.
    public struct Tidying: Hashable, Sendable {
        public var packs: [Digest] = []
        public var runs: [Digest] = []
        public var replacedRuns: [Digest] = []
        /// Packs that nobody needs once `packs` count.
        public var emptied: [Digest] = []
        /// The new list of packs whose chunks writers may store anew; `nil` for no change.
        public var sparse: [Digest]?
        public init() {}
    }

    /// How the step ended.
    public enum Verdict: Hashable, Sendable {
        case done
        /// Somebody else wrote to this keeper's log, or the roster ended it: nothing was deleted.
        case void
        /// A keeper is suspended: nothing is deleted until the root has said where its log ends.
        case suspended
        case refused(LogWriting.Refusal)
        /// Log entries are missing or damaged: to delete now could make it worse.
        case damaged([LogReading.Gap])
    }
}
