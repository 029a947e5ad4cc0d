import LifeboatCore

/// Freezes a group of machines, starts all their snapshots at once, and lets them run again.
///
/// A pure state machine: events and the time go in, what to do comes out, and it neither waits nor
/// touches anything. Invariants, whatever fails, hangs or answers late:
/// - a guest that was asked to freeze is asked to thaw, at the latest when its time is over, and
///   asked again until it says `thawed`;
/// - a level is claimed only where the guest said that it was frozen before its snapshot began and
///   said with the thaw that it was frozen until then;
/// - an operation has one deadline; what is answered later changes no level.
public struct QuiesceCycle: Sendable {
    /// A machine of the group.
    public struct Member: Sendable {
        public var name: String
        public var policy: ProtectionPolicy
        public var isRunning: Bool
        public var hasAgent: Bool
        /// Whether its snapshot would outlive this process, so that a guardian is to end it.
        public var leavesRemains: Bool

        public init(
            name: String, policy: ProtectionPolicy, isRunning: Bool, hasAgent: Bool,
            leavesRemains: Bool = false
        ) {
            self.name = name
            self.policy = policy
            self.isRunning = isRunning
            self.hasAgent = hasAgent
            self.leavesRemains = leavesRemains
        }
    }

    enum Phase: Int, Comparable {
        case preparing, guarding, freezing, pausing, starting, thawing, finishing, done
        static func < (left: Phase, right: Phase) -> Bool { left.rawValue < right.rawValue }
    }

    struct Pending {
        var operation: QuiesceOperation
        var due: Double
    }

    let rules: QuiesceRules
    let hasGuardian: Bool
    var members: [QuiesceMember]
    var phase = Phase.preparing
    var isGuarded = false
    var isCancelled = false
    /// Why nothing is snapshotted: which member failed, and how.
    var groupFailure: LifeboatError?
    var pending: [Int: Pending] = [:]
    /// What was not answered in time.
    var abandoned: [Int: QuiesceOperation] = [:]
    var actions: [QuiesceAction] = []
    private var lastTicket = 0

    /// `hasGuardian`: whether there is one to be started; without, this process alone thaws.
    public init(_ members: [Member], hasGuardian: Bool, rules: QuiesceRules = .all) {
        self.members = members.map { QuiesceMember($0) }
        self.hasGuardian = hasGuardian
        self.rules = rules
    }

    /// What came of it; `nil` while it goes on.
    public var outcome: GroupQuiesceOutcome? { phase == .done ? makeOutcome() : nil }

    /// When `time` must be told at the latest, if nothing else happens before.
    public var wakeTime: Double? {
        (pending.values.map(\.due) + members.flatMap { $0.alarms(rules) }).min()
    }

    /// The first things to do.
    public mutating func start(now: Double) -> [QuiesceAction] {
        for index in members.indices {
            if let failure = members[index].failure { fail(index, failure) }
        }
        for index in members.indices { prepareNext(index, now) }
        return advance(now)
    }

    public mutating func handle(_ event: QuiesceEvent, now: Double) -> [QuiesceAction] {
        switch event {
        case .answer(let ticket, let answer):
            if let item = pending.removeValue(forKey: ticket) {
                apply(answer, to: item.operation, now)
            } else if let operation = abandoned.removeValue(forKey: ticket) {
                applyLate(answer, to: operation, now)
            }
        case .time: break
        case .cancelled:
            if !isCancelled, phase < .finishing {
                isCancelled = true
                stop(LifeboatError(.cancelled, "interrupted"))
            }
        }
        expire(now)
        return advance(now)
    }

    // MARK: operations

    mutating func perform(
        _ work: QuiesceOperation.Work, _ member: Int, seconds: Double, _ now: Double
    ) {
        lastTicket += 1
        let operation = QuiesceOperation(
            ticket: lastTicket, member: member, work: work, timeoutSeconds: seconds)
        let grace = members[member].times.grace
        pending[lastTicket] = Pending(operation: operation, due: now + seconds + grace)
        actions.append(.perform(operation))
    }

    func isPending(_ matches: (QuiesceOperation) -> Bool) -> Bool {
        pending.values.contains { matches($0.operation) }
    }

    private mutating func expire(_ now: Double) {
        for (ticket, item) in pending.sorted(by: { $0.key < $1.key }) where item.due <= now {
            pending[ticket] = nil
            abandoned[ticket] = item.operation
            let seconds = item.operation.timeoutSeconds
            apply(
                .failed(LifeboatError(.unavailable, "there was no answer within \(seconds) s")),
                to: item.operation, now)
        }
        for index in members.indices { wake(index, now) }
    }

    private mutating func apply(
        _ answer: QuiesceAnswer, to operation: QuiesceOperation, _ now: Double
    ) {
        let index = operation.member
        switch operation.work {
        case .hook, .inspect, .command, .arm: prepared(operation, answer, now)
        case .startGuardian:
            if case .failed(let error) = answer {
                tell(.warning("no guardian could be started: \(error)"))
            } else {
                isGuarded = true
            }
        case .releaseGuardian, .disarm: break
        case .freeze: frozen(index, answer, now)
        case .pause: paused(index, answer, now)
        case .snapshot: started(index, answer, now)
        case .thaw: thawed(index, answer, now)
        case .askFrozen: asked(index, answer, now)
        case .resume: resumed(index, answer, now)
        }
    }

    mutating func tell(_ event: Event) { actions.append(.tell(event)) }

    // MARK: phases

    /// Nothing is snapshotted; what is frozen is thawed.
    mutating func stop(_ error: LifeboatError) {
        if groupFailure == nil { groupFailure = error }
        if phase == .preparing {
            for index in members.indices { members[index].steps = [] }
        }
    }

    /// This machine takes no part any more; where it was required, nobody does.
    mutating func fail(_ index: Int, _ error: LifeboatError) {
        let error = LifeboatError(
            error.code, error.message, subject: error.subject ?? members[index].name,
            cause: error.cause,
            advice: error.advice ?? "run: lifeboat doctor \(members[index].name)")
        if members[index].failure == nil { members[index].failure = error }
        if phase < .finishing { members[index].steps = [] }
        guard members[index].policy.quiesce == .require, phase < .starting else { return }
        stop(error)
    }

    private mutating func advance(_ now: Double) -> [QuiesceAction] {
        while let next = nextPhase(), phase != .done {
            phase = next
            enter(next, now)
        }
        defer { actions = [] }
        return actions
    }

    /// The phase to go to, where this one has nothing to wait for.
    private func nextPhase() -> Phase? {
        let isStopped = groupFailure != nil
        switch phase {
        case .preparing:
            if !pending.isEmpty || members.contains(where: { !$0.steps.isEmpty }) { return nil }
            return isStopped ? .thawing : .guarding
        case .guarding:
            if isPending({ $0.work == .startGuardian }) { return nil }
            return isStopped ? .thawing : .freezing
        case .freezing:
            if isStopped, rules.contains(.thawOnGroupFailure) { return .thawing }
            if isPending({ $0.work == .freeze }) { return nil }
            return isStopped ? .finishing : .pausing
        case .pausing:
            if isStopped { return .thawing }
            return isPending { $0.work == .pause } ? nil : .starting
        case .starting:
            if isStopped { return .thawing }
            return isPending { $0.work == .snapshot } ? nil : .thawing
        case .thawing:
            let isBusy = members.contains { $0.isThawing || $0.isResuming }
            // Nobody may call a machine while its snapshot is being started.
            return isBusy || isPending { [.freeze, .pause, .snapshot].contains($0.work) }
                ? nil : .finishing
        case .finishing:
            let isBusy = members.contains {
                $0.isThawing || $0.isResuming || !$0.steps.isEmpty
            }
            return pending.isEmpty && !isBusy ? .done : nil
        case .done: return nil
        }
    }

    private mutating func enter(_ phase: Phase, _ now: Double) {
        switch phase {
        case .guarding:
            if hasGuardian, members.contains(where: { $0.wantsGuardian }) {
                let seconds = members.map(\.times.inspection).max() ?? 1
                perform(.startGuardian, 0, seconds: seconds, now)
            }
        case .freezing: for index in members.indices { beginFreeze(index, now) }
        case .pausing: for index in members.indices { beginPause(index, now) }
        case .starting: for index in members.indices { beginSnapshot(index, now) }
        case .thawing:
            for index in members.indices.reversed() {
                beginThaw(index, now)
                beginResume(index, now)
            }
        case .finishing: finish(now)
        case .preparing, .done: break
        }
    }
}
