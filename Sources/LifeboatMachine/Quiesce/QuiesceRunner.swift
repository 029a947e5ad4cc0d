import Glibc
public import LifeboatCore
import LifeboatSystem

/// Drives a quiesce cycle: each call on a thread of its own, given up at its deadline.
public final class QuiesceRunner: Sendable {
    private let members: [(machine: any ProtectedMachine, policy: ProtectionPolicy)]
    private let guardian: (any GuardianStarting)?
    private let events: any EventSink
    private let cancellation: Cancellation
    private let group: String
    private let runDirectory: String
    private let condition = Condition()
    private let inbox = Guarded<[QuiesceEvent]>([])
    private let handle = Guarded<(any GuardianHandle)?>(nil)

    /// `runDirectory`: where a guardian leaves its alarms.
    public init(
        members: [(machine: any ProtectedMachine, policy: ProtectionPolicy)],
        guardian: (any GuardianStarting)?, events: any EventSink, cancellation: Cancellation,
        group: String = "", runDirectory: String = "/run/lifeboat"
    ) {
        self.members = members
        self.guardian = guardian
        self.events = events
        self.cancellation = cancellation
        self.group = group
        self.runDirectory = runDirectory
    }

    /// Freezes, starts all snapshots, thaws.
    ///
    /// Whatever it returns or throws, every guest runs or the guardian looks after it.
    ///
    /// - Throws: `.cancelled`, after all guests run again.
    public func run() throws(LifeboatError) -> GroupQuiesceOutcome {
        let plans = members.map { member in
            QuiesceCycle.Member(
                name: member.machine.name, policy: member.policy,
                isRunning: member.machine.isRunning, hasAgent: member.machine.quiescer != nil,
                leavesRemains: member.machine.remains != nil)
        }
        for alarm in GuardianAlarm.all(in: runDirectory) {
            events.tell(.warning("an earlier run says: \(alarm.message); \(alarm.advice)"))
        }
        var cycle = QuiesceCycle(plans, hasGuardian: guardian != nil)
        perform(cycle.start(now: Clock.monotonicSeconds()))
        while cycle.outcome == nil {
            for event in next(until: cycle.wakeTime) {
                perform(cycle.handle(event, now: Clock.monotonicSeconds()))
            }
        }
        try cancellation.check()
        return cycle.outcome ?? GroupQuiesceOutcome(members: [], skewMilliseconds: 0)
    }

    /// Tells the guardian that the snapshots have been ended.
    ///
    /// Where this is never called, it ends them itself as soon as this object, or the process, is
    /// gone.
    public func finish() { handle.withLock { $0 }?.finish() }

    private func next(until time: Double?) -> [QuiesceEvent] {
        condition.withLock {
            while true {
                let events = inbox.withLock { inbox in
                    defer { inbox = [] }
                    return inbox
                }
                if !events.isEmpty { return events }
                if cancellation.isCancelled, !hasToldCancellation.withLock({ $0 }) {
                    hasToldCancellation.withLock { $0 = true }
                    return [.cancelled]
                }
                let left = (time ?? .infinity) - Clock.monotonicSeconds()
                guard left > 0 else { return [.time] }
                // A cancellation rings no bell.
                _ = condition.wait(seconds: min(left, 0.05))
            }
        }
    }

    private let hasToldCancellation = Guarded(false)

    private func perform(_ actions: [QuiesceAction]) {
        for action in actions {
            switch action {
            case .tell(let event): events.tell(event)
            case .perform(let operation):
                _ = Threads.start(name: "quiesce") { [self] in
                    let answer: QuiesceAnswer
                    do throws(LifeboatError) { answer = try perform(operation) } catch {
                        answer = .failed(error)
                    }
                    condition.withLock {
                        inbox.withLock { $0.append(.answer(ticket: operation.ticket, answer)) }
                        condition.broadcast()
                    }
                }
            }
        }
    }

    private func perform(_ operation: QuiesceOperation) throws(LifeboatError) -> QuiesceAnswer {
        let (machine, policy) = members[operation.member]
        let seconds = operation.timeoutSeconds
        switch operation.work {
        case .hook(let hook):
            // What comes after a thaw is wanted all the more after an interruption.
            let ear = hook.moment == .beforeFreeze ? cancellation : nil
            try hook.run(machine: machine.name, group: group, cancellation: ear)
        case .inspect: return .system(try inspect(machine, seconds))
        case .command(let command): try run(command, machine, seconds)
        case .arm(let delay):
            return .process(
                try DeadMan.arm(quiescer(machine), seconds: delay, timeoutSeconds: seconds))
        case .disarm(let process):
            try DeadMan.disarm(quiescer(machine), process: process, timeoutSeconds: seconds)
        case .startGuardian: try startGuardian(seconds)
        case .releaseGuardian(let running):
            handle.withLock { $0 }?.release(running: running)
        case .freeze:
            return .count(
                try quiescer(machine).freeze(
                    mountPoints: policy.mountPoints, timeoutSeconds: seconds))
        case .thaw: return .count(try quiescer(machine).thaw(timeoutSeconds: seconds))
        case .askFrozen: return .isFrozen(try quiescer(machine).isFrozen(timeoutSeconds: seconds))
        case .pause: try machine.pause(timeoutSeconds: seconds)
        case .resume: try machine.resume(timeoutSeconds: seconds)
        case .snapshot: try machine.startSnapshot(timeoutSeconds: seconds)
        }
        return .done
    }

    private func quiescer(_ machine: any ProtectedMachine) throws(LifeboatError) -> any Quiescer {
        guard let quiescer = machine.quiescer else {
            throw LifeboatError(.missing, "there is no way to the guest's agent")
        }
        return quiescer
    }

    private func inspect(
        _ machine: any ProtectedMachine, _ seconds: Double
    ) throws(LifeboatError) -> GuestSystem {
        let quiescer = try quiescer(machine)
        guard try !quiescer.isFrozen(timeoutSeconds: seconds / 2) else {
            throw LifeboatError(
                .refused, "the guest is frozen already, by somebody else or by a run that died",
                subject: machine.name, advice: "where nobody else freezes it, thaw it")
        }
        GuardianAlarm.remove(machine: machine.name, in: runDirectory)
        return try quiescer.system(timeoutSeconds: seconds / 2)
    }

    private func run(
        _ command: GuestCommand, _ machine: any ProtectedMachine, _ seconds: Double
    ) throws(LifeboatError) {
        let result = try quiescer(machine).run(command.arguments, timeoutSeconds: seconds)
        guard result.exitCode == 0 else {
            let end = result.exitCode.map { "ended with code \($0)" } ?? "was ended by a signal"
            let words = String(decoding: result.errorOutput.suffix(300), as: UTF8.self)
            throw LifeboatError(
                .unavailable, "\(command.arguments.first ?? "a command") \(end) in the guest",
                subject: machine.name, cause: words.isEmpty ? nil : words)
        }
    }

    private func startGuardian(_ seconds: Double) throws(LifeboatError) {
        let guests = members.enumerated().compactMap { index, member in
            let isFrozen = [.require, .prefer].contains(member.policy.quiesce)
            let isPaused = member.policy.quiesce == .pause
            let agent = member.machine.quiescer?.address
            let machine = member.machine.machineAddress
            guard member.machine.isRunning,
                isFrozen && agent != nil || isPaused && machine != nil
            else { return nil as GuardianOrders.Guest? }
            return GuardianOrders.Guest(
                index: index, name: member.machine.name, address: agent ?? GuestAgentAddress(),
                machine: machine, deadlineSeconds: member.policy.freezeSeconds,
                isPaused: isPaused)
        }
        let snapshots = members.compactMap { $0.machine.remains }
        guard !guests.isEmpty || !snapshots.isEmpty, let guardian else { return }
        let orders = GuardianOrders(
            guests: guests, snapshots: snapshots, runDirectory: runDirectory, parent: getpid())
        let started = try guardian.start(orders, timeoutSeconds: seconds)
        handle.withLock { $0 = started }
    }
}
