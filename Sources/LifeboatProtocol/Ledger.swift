public import LifeboatCore
public import LifeboatFormat

/// What all logs of a repository say together: the one state that everybody derives alike.
///
/// A value, made of a checkpoint and the entries behind it; no clock, store or listing comes in.
/// Source: formats/collection.md.
public struct Ledger: Sendable {
    /// Somebody at work, who relies on what was there when the session opened.
    public struct Session: Hashable, Sendable {
        public var sequence: UInt64
        public var time: UInt64
        /// By keeper's incarnation, the last entry that its member knew.
        public var knows: [Identifier: UInt64]
    }

    /// One log.
    public struct Log: Hashable, Sendable {
        public var member: Identifier
        public var isKeeper: Bool
        /// The last entry; sequence 0 before the first.
        public var head: LogHead
        public var time: UInt64 = 0
        /// By incarnation, the last entry of other logs that its member knew.
        public var knows: [Identifier: UInt64] = [:]
        public var sessions: [Identifier: Session] = [:]
        /// Keepers that announced a fence.
        public var fencedBy: Set<Identifier> = []
        /// Whether the fence is complete, or the roster ended the log.
        public var isEnded = false
        /// Whether it is not known yet where the log ends.
        public var isInDoubt = false
    }

    /// A counted recovery point.
    public struct Point: Hashable, Sendable {
        public var id: Digest
        public var incarnation: Identifier
        public var sequence: UInt64
        public var member: Identifier
        public var domain: Identifier
        public var body: Digest
        public var time: UInt64
        /// By keepers' clocks: when it was not there yet, and when it was first seen; 0 if never.
        public var after: UInt64 = 0
        public var seen: UInt64 = 0
        public var forgotten: Checkpoint.Mark?
        public var isHeld = false
        /// Salt and sealed tags that replace those of the body; empty for none.
        public var tags: [UInt8] = []
        /// Whether a fence, or the root, may still cut it off: nothing may be built on it.
        public var isInDoubt = false

        /// A point that no keeper has seen yet.
        public init(
            id: Digest, incarnation: Identifier, sequence: UInt64, member: Identifier,
            domain: Identifier, body: Digest, time: UInt64
        ) {
            self.id = id
            self.incarnation = incarnation
            self.sequence = sequence
            self.member = member
            self.domain = domain
            self.body = body
            self.time = time
        }
    }

    /// Who added an object, for which domain.
    public struct Owner: Hashable, Sendable {
        public var member: Identifier
        public var domain: Identifier
        /// Whether the member is a keeper.
        public var isKeeper: Bool

        public init(member: Identifier, domain: Identifier, isKeeper: Bool) {
            self.member = member
            self.domain = domain
            self.isKeeper = isKeeper
        }
    }

    public internal(set) var logs: [Identifier: Log] = [:]
    /// All counted points, those forgotten but not yet final included.
    public internal(set) var allPoints: [Digest: Point] = [:]
    /// Every pack that a counted entry names and that is not doomed.
    public internal(set) var packs: [Digest: Owner] = [:]
    /// Packs of entries that a fence, or the root, may still cut off.
    public internal(set) var doubtfulPacks: Set<Digest> = []
    /// Index runs that are named and not replaced.
    public internal(set) var runs: [Digest: Owner] = [:]
    /// Runs that were replaced behind the checkpoint: they can be deleted.
    public internal(set) var replacedRuns: Set<Digest> = []
    /// By object, the keepers that condemn it, and by which entry.
    public internal(set) var condemned: [ObjectReference: [Identifier: UInt64]] = [:]
    public internal(set) var doomed: Set<ObjectReference> = []
    /// Those doomed that counted when they were: nobody will name them again.
    var doomedWhenNamed: Set<ObjectReference> = []
    /// Packs all of whose needed content keepers have stored anew.
    public internal(set) var emptied: Set<Digest> = []
    /// By keeper's incarnation.
    public internal(set) var sparse: [Identifier: [Digest]] = [:]
    /// When a keeper last looked, by its clock.
    public internal(set) var observed: UInt64 = 0
    /// The checkpoint that this is built on.
    public internal(set) var base: LogEntry.CheckpointName?
    /// The last checkpoint that each keeper proposed behind the base.
    public internal(set) var proposals: [Identifier: LogEntry.CheckpointName] = [:]

    public init() {}

    /// Drops what a partial replica has not.
    public mutating func leaveOut(points: [Digest], packs absent: [Digest]) {
        for id in points { allPoints[id] = nil }
        for pack in absent { packs[pack] = nil }
    }

    // MARK: what follows from it

    /// Points that are not forgotten.
    public var points: [Point] {
        allPoints.values.filter { $0.forgotten == nil }.sorted {
            ($0.time, $0.id) < ($1.time, $1.id)
        }
    }

    /// Whether a keeper must wait for `session`: it opened without knowing `mark`.
    private static func isIgnorant(_ session: Session, of mark: Checkpoint.Mark) -> Bool {
        (session.knows[mark.incarnation] ?? 0) < mark.sequence
    }

    /// Open sessions of writers that do not know the entry at `mark`.
    ///
    /// Keepers rely on nothing that they do not look at again.
    public func sessions(
        ignorantOf mark: Checkpoint.Mark
    ) -> [(incarnation: Identifier, id: Identifier, session: Session)] {
        var result: [(incarnation: Identifier, id: Identifier, session: Session)] = []
        for (incarnation, log) in logs where !log.isKeeper && !log.isEnded {
            for (id, session) in log.sessions where Self.isIgnorant(session, of: mark) {
                result.append((incarnation, id, session))
            }
        }
        return result.sorted { ($0.incarnation, $0.id) < ($1.incarnation, $1.id) }
    }

    /// Points whose content must be kept: those not forgotten, and those forgotten that a session
    /// may build on which began before.
    public func roots(_ rules: Rules = .all) -> [Point] {
        allPoints.values.filter { point in
            guard let mark = point.forgotten else { return true }
            guard rules.contains(.keepForgottenRoots) else { return false }
            return !sessions(ignorantOf: mark).isEmpty
        }.sorted { $0.id < $1.id }
    }

    /// Whether a session may rely on what lies in this pack.
    public func trusts(_ pack: Digest) -> Bool {
        packs[pack] != nil && !doubtfulPacks.contains(pack)
            && condemned[ObjectReference(.pack, pack)] == nil
    }

    /// Whether what a run says of a pack is the word of somebody who knows: of the member that
    /// added the pack, or of a keeper.
    ///
    /// Of others it could be a lie, for which neither chunks are left out nor copies deleted.
    public func vouches(run: Digest, for pack: Digest) -> Bool {
        guard let owner = runs[run], let added = packs[pack] else { return false }
        return owner.isKeeper || owner.member == added.member
    }

    /// The last entry of each log.
    public var heads: [LogHead] {
        logs.values.map(\.head).filter { $0.sequence > 0 }
            .sorted { $0.incarnation < $1.incarnation }
    }

    /// What `keeper` condemned and has neither released nor doomed, by the entries that did it.
    public func condemnations(by keeper: Identifier) -> [UInt64: [ObjectReference]] {
        var result: [UInt64: [ObjectReference]] = [:]
        for (reference, keepers) in condemned {
            if let sequence = keepers[keeper] { result[sequence, default: []].append(reference) }
        }
        return result
    }

    /// Whether some log's end is not known yet, so that nothing may be summed up.
    public var isInDoubt: Bool { logs.values.contains(where: \.isInDoubt) }

    /// Whether it is not known yet which of a keeper's decisions count.
    public var isKeeperInDoubt: Bool { logs.values.contains { $0.isKeeper && $0.isInDoubt } }

    /// When a point was taken, as far as keepers can tell: the writer's claim, within the bounds
    /// that keepers' looks leave for it.
    public func time(of point: Point, now: UInt64) -> UInt64 {
        let after = point.seen == 0 ? observed : point.after
        let seen = point.seen == 0 ? now : point.seen
        return min(max(point.time, after), max(seen, after))
    }
}
