import LifeboatCore

/// What a quiesce cycle knows of one machine.
struct QuiesceMember: Sendable {
    enum Freeze: Equatable {
        case never
        case asked
        case frozen(count: Int)
        /// The agent does not take the command.
        case denied
        /// It failed, or was too late, and the guest said so.
        case failed
        /// It may have happened, or may still happen.
        case unanswered
    }

    enum Thaw: Equatable {
        case none
        case busy
        /// The guest is asked again at this time.
        case waiting(until: Double)
        case done
        case gaveUp
    }

    enum Pause: Equatable {
        case never
        case asked
        case paused
        case resuming
        case waiting(until: Double)
        case over
        case gaveUp
    }

    enum Snapshot: Equatable {
        case none
        case asked
        case started(at: Double)
    }

    /// What is still to be run in order, before the freeze or after the thaw.
    enum Step: Equatable {
        case hook(HostHook)
        case inspect
        case command(GuestCommand)
        case arm
    }

    let name: String
    let policy: ProtectionPolicy
    let isRunning: Bool
    let leavesRemains: Bool
    let times: QuiesceTimes
    var steps: [Step]
    var failure: LifeboatError?
    var reasons: [String] = []
    var wantsFreeze: Bool
    var system: GuestSystem?
    var deadMan: Int64?
    /// Whether a hook or command failed on which a level above `filesystem` would rest.
    var isDegraded = false
    var hasQuiescedApplications = false

    var freeze = Freeze.never
    var freezeTime = 0.0
    var thaw = Thaw.none
    /// When the guest was first asked to thaw.
    var thawTime: Double?
    /// What the first thaw said; `nil` where it failed or was not answered.
    var thawCount: Int?
    var thawFailure: LifeboatError?
    /// Since when it has said nothing but `thawed`.
    var settledSince: Double?
    var thawedTime: Double?
    var pause = Pause.never
    var pauseTime = 0.0
    var snapshot = Snapshot.none

    init(_ member: QuiesceCycle.Member) {
        name = member.name
        policy = member.policy
        isRunning = member.isRunning
        leavesRemains = member.leavesRemains
        times = QuiesceTimes(member.policy)
        let isAsked = [.require, .prefer].contains(policy.quiesce)
        wantsFreeze = isAsked && isRunning && member.hasAgent
        steps = policy.hooks.filter { $0.moment == .beforeFreeze }.map { .hook($0) }
        if wantsFreeze {
            steps.append(.inspect)
            steps += policy.guestCommands.map { .command($0) }
            if policy.armsDeadMan { steps.append(.arm) }
        } else if isAsked, isRunning {
            let message = "there is no way to the guest's agent"
            reasons.append(message)
            if policy.quiesce == .require {
                failure = LifeboatError(
                    .refused, message, subject: name,
                    advice: "give the machine a channel for the agent, or ask for less")
            }
        }
    }

    var wantsPause: Bool { isTakingPart && policy.quiesce == .pause && isRunning }
    var wantsGuardian: Bool {
        wantsFreeze || wantsPause || isTakingPart && leavesRemains
    }
    var wantsSnapshot: Bool { isTakingPart && policy.quiesce != .stateless }
    var giveUpSeconds: Double { times.giveUp(isWindows: system?.isWindows == true) }
    var isTakingPart: Bool { failure == nil }

    var isThawing: Bool {
        switch thaw {
        case .busy, .waiting: true
        case .none, .done, .gaveUp: false
        }
    }

    var isResuming: Bool {
        switch pause {
        case .resuming, .waiting: true
        case .never, .asked, .paused, .over, .gaveUp: false
        }
    }

    /// Whether nothing is known to keep it from running.
    var isKnownToRun: Bool {
        let isThawed = freeze == .never || thaw == .done && freeze != .unanswered
        return isThawed && (pause == .never || pause == .over)
    }

    /// When something must be done about it.
    func alarms(_ rules: QuiesceRules) -> [Double] {
        var result: [Double] = []
        if case .waiting(let until) = thaw { result.append(until) }
        if case .waiting(let until) = pause { result.append(until) }
        if freeze != .never, thaw == .none, rules.contains(.thawAtOwnDeadline) {
            result.append(freezeTime + times.thawAtLatest)
        }
        if pause == .paused { result.append(pauseTime + times.thawAtLatest) }
        return result
    }
}
