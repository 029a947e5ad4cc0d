public import LifeboatCore

/// What to prune, and how.
public struct PruneOptions: Sendable {
    /// How much of what packs hold may be dead before they are written anew, in percent.
    public var maximumUnused = 5
    public var isDryRun = false
    /// Locks what points need anew, for as long as the repository locks what is put.
    public var extendsLocks = false

    public init() {}
}

/// An open session that keeps objects from being deleted.
public struct WaitedSession: Hashable, Sendable {
    public var session: Identifier
    public var member: Identifier
    /// `nil` where the secret of the member's domain is not at hand.
    public var label: String?
    public var incarnation: Identifier
    /// When it opened, by its member's clock; milliseconds since 1970.
    public var since: UInt64

    public init(
        session: Identifier, member: Identifier, label: String?, incarnation: Identifier,
        since: UInt64
    ) {
        self.session = session
        self.member = member
        self.label = label
        self.incarnation = incarnation
        self.since = since
    }
}

/// What `prune` did, or would do.
///
/// Numbers of bytes are those of objects as they are stored.
public struct PruneResult: Sendable {
    /// What nobody seems to need: deleted by a later run, when every session knows.
    public var condemnedObjects = 0
    public var condemnedBytes: UInt64 = 0
    /// What had been condemned and is needed all the same.
    public var releasedObjects = 0
    public var deletedObjects = 0
    public var deletedBytes: UInt64 = 0
    /// Sessions that may rely on what is condemned.
    public var waitsFor: [WaitedSession] = []
    /// Packs that are there afterwards.
    public var packs = 0
    public var bytesStored: UInt64 = 0
    /// What points need of the content of data packs, as it is sealed; estimated by frames.
    public var bytesLive: UInt64 = 0
    /// Dead space inside packs that only the recovery key could free.
    public var bytesHeld: UInt64 = 0
    public var repackedPacks = 0
    public var repackedBytes: UInt64 = 0
    public var mergedRuns = 0
    /// Distinct nodes of block maps that were read to find what is needed.
    public var nodesVisited: UInt64 = 0
    public var deletedLogEntries = 0
    /// What is to be deleted and is locked in the store, and until when at most.
    public var lockedObjects = 0
    public var lockedBytes: UInt64 = 0
    public var lockedUntil: UInt64?
    /// `nil` when it was not asked for.
    public var lockExtension: LockExtensionResult?
    /// The number of the checkpoint that stands afterwards; `nil` for none.
    public var checkpoint: UInt64?
    public var notes: [String] = []
    public var durationSeconds = 0.0

    /// Nothing done.
    public init() {}
}
