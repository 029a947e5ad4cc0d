public import LifeboatCore
public import LifeboatFormat

/// A writer's session, as a pure state machine: opens, tells what may be relied on, commits, and
/// makes sure that the commit counts.
///
/// Do `action`, `take` the result, until `action` is `nil`; then look at `stage`. Source:
/// formats/collection.md, "Sessions".
public struct SessionProtocol: Sendable {
    /// How far the session is.
    public enum Stage: Hashable, Sendable {
        case starting, opening, learning
        /// The session is open: `ledger` says what it may rely on.
        case working
        case committing, checking
        case over(Verdict)
    }

    /// How a session ended.
    public enum Verdict: Hashable, Sendable {
        /// Its entry counts, and its point with it.
        case counted(LogHead)
        /// Somebody fenced this incarnation, or wrote to its log: what the session did does not
        /// count. The next session begins a new incarnation.
        case void
        case refused(LogWriting.Refusal)
    }

    public let id: Identifier
    private let rules: Rules
    /// Sessions of this state directory that run now.
    private let alive: Set<Identifier>
    private var time: UInt64
    public private(set) var writing: LogWriting
    public private(set) var stage = Stage.starting
    /// Dead sessions of this log whose packs can be taken over.
    public private(set) var adoptable: Set<Identifier> = []
    /// What was condemned when the session opened.
    ///
    /// Keepers do not wait for a session that knows of it: by the time the session has learned what
    /// there is, it may be deleted and summed up.
    private var condemnedBefore: Set<ObjectReference> = []
    private var opened: LogHead?
    private var committed: LogHead?

    /// `alive`: sessions of the same state directory that run now; others in its log are dead.
    public init(
        _ id: Identifier, writing: LogWriting, alive: Set<Identifier>, time: UInt64,
        rules: Rules = .all
    ) {
        self.id = id
        self.writing = writing
        self.alive = alive
        self.time = time
        self.rules = rules
        self.writing.read()
    }

    /// What the session may rely on, once it works.
    public var ledger: Ledger { writing.ledger }

    public var action: LogWriting.Action? { writing.action }

    public mutating func take(_ reply: LogWriting.Reply) {
        writing.take(reply)
        while writing.isIdle, advance() {}
    }

    /// Goes to the next stage; returns whether there is more to do at once.
    private mutating func advance() -> Bool {
        if let refusal = writing.refusal {
            stage = .over(.refused(refusal))
            return false
        }
        switch stage {
        case .starting:
            stage = .opening
            open()
        case .opening:
            guard case .appended(let head) = writing.outcome else { return end(.void) }
            opened = head
            stage = .learning
            guard rules.contains(.openBeforeReading) else {
                stage = .working
                return false
            }
            writing.read()
        case .learning:
            guard isStillOwn(opened) else { return end(.void) }
            stage = .working
            return false
        case .committing:
            guard case .appended(let head) = writing.outcome else { return end(.void) }
            committed = head
            stage = .checking
            guard rules.contains(.checkFenceAfterCommit) else { return end(.counted(head)) }
            writing.read()
        case .checking:
            guard let committed, isStillOwn(committed) else { return end(.void) }
            return end(.counted(committed))
        case .working, .over: return false
        }
        return writing.isIdle
    }

    private mutating func end(_ verdict: Verdict) -> Bool {
        stage = .over(verdict)
        return false
    }

    /// Whether a pack of an adoptable session can be taken over, once this one works.
    public func canAdopt(_ pack: Digest) -> Bool {
        let reference = ObjectReference(.pack, pack)
        let isCondemned = ledger.condemned[reference] != nil || ledger.doomed.contains(reference)
        let wasCondemned =
            rules.contains(.adoptOnlyIfNeverCondemned) && condemnedBefore.contains(reference)
        return !isCondemned && !wasCondemned
    }

    /// Whether a pack was condemned or doomed when this session read the logs before it opened.
    public func wasCondemned(_ pack: Digest) -> Bool {
        condemnedBefore.contains(ObjectReference(.pack, pack))
    }

    private mutating func open() {
        condemnedBefore = ledger.doomed.union(ledger.condemned.keys)
        let sessions = Set(writing.log?.sessions.keys.map { $0 } ?? [])
        let dead = sessions.subtracting(alive)
        adoptable = dead
        let id = id
        writing.append(time: time) { entry in
            entry.opened = [id]
            entry.closed = dead.sorted()
        }
    }

    /// Whether the log is still this host's, and goes on from `head`.
    private func isStillOwn(_ head: LogHead?) -> Bool {
        guard let head, let log = writing.log,
            head.incarnation == writing.incarnation || !rules.contains(.noticeForeignEntries)
        else { return false }
        if rules.contains(.checkFenceAfterCommit),
            !log.fencedBy.isEmpty || log.isEnded || log.isInDoubt
        {
            return false
        }
        return log.head.sequence >= head.sequence
    }

    /// Adds the session's entry and closes the session.
    ///
    /// While the stage is `working`, once. `memory`: what the host remembers by now, for other
    /// processes may have written to the log.
    public mutating func commit(
        time: UInt64, memory: HostMemory, _ fill: (inout LogEntry) -> Void
    ) {
        precondition(stage == .working, "a session commits once, while it is open")
        guard writing.refresh(memory) else {
            stage = .over(.void)
            return
        }
        stage = .committing
        let id = id
        writing.append(time: time) { entry in
            fill(&entry)
            entry.closed = [id]
        }
    }
}
