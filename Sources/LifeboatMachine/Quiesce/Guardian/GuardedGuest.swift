import Glibc
import LifeboatCore
import LifeboatSystem

/// One guest that a guardian looks after.
struct GuardedGuest {
    private let guest: GuardianOrders.Guest
    private let orders: GuardianOrders
    private let connecting: any GuestAgentConnecting
    private let alarm: @Sendable (String) -> Void
    private let claim: GuardianClaim
    private let deadline: Double
    /// When nothing more can come.
    private var end: Double
    /// The ways to its agent, the one that answered last first.
    private var ways: [GuestAgentAddress]
    private var isAlarmed = false
    private var hasEndedParent = false

    init(
        _ guest: GuardianOrders.Guest, _ orders: GuardianOrders, claim: GuardianClaim,
        start: Double, connecting: any GuestAgentConnecting,
        alarm: @escaping @Sendable (String) -> Void
    ) {
        self.guest = guest
        self.orders = orders
        self.claim = claim
        self.connecting = connecting
        self.alarm = alarm
        deadline = start + guest.deadlineSeconds
        end = deadline
        ways =
            (guest.address.domain.map { [GuestAgentAddress(domain: $0)] } ?? [])
            + (guest.address.socket.map { [GuestAgentAddress(socket: $0)] } ?? [])
    }

    private var interval: Double { min(max(guest.deadlineSeconds / 40, 0.02), 1) }

    /// Looks after it to the end; returns whether it is known to run.
    mutating func look(after guardian: Guardian) -> Bool {
        defer { guardian.hasSettled(guest.name) }
        var wish = guardian.wait(
            seconds: deadline - Clock.monotonicSeconds(), while: { $0 == .wait })
        var isRunning = false
        let since = Clock.monotonicSeconds()
        // From a death on, no more is under way than what was begun before.
        end = (wish == .thaw ? since : max(deadline, since)) + orders.lingerSeconds
        while true {
            if case .watch(let running) = wish, running.contains(guest.index) {
                GuardianAlarm.remove(machine: guest.name, in: orders.runDirectory)
                return true
            }
            // As long as its own run lives, a guest may be frozen for that one.
            if wish != .wait, claim.isTakenOver { return true }
            // The next run may have come and gone while the agent kept this one waiting.
            if wish != .wait, isRunning, claim.isGone { return true }
            isRunning = thaw(orWatch: isRunning)
            let now = Clock.monotonicSeconds()
            if isRunning {
                clearAlarm()
                guardian.hasSettled(guest.name)
            } else if now > since + guest.deadlineSeconds / 2 {
                if wish == .wait { endParent() }
                raiseAlarm()
            }
            if now > end { return isRunning }
            let seen = wish
            // Where it runs, it is enough to look now and then.
            let pause = Deadline(seconds: isRunning ? interval * 4 : interval)
            repeat {
                wish = guardian.wait(
                    seconds: min(pause.seconds, GuardianClaim.lookSeconds), while: { $0 == seen })
            } while wish == seen && !pause.hasPassed && (seen == .wait || !claim.isTakenOver)
        }
    }

    /// Thaws it unless it was just seen to run, and asks whether it does.
    private mutating func thaw(orWatch isRunning: Bool) -> Bool {
        if guest.isPaused { return isRunning || resume() }
        for (index, way) in ways.enumerated() {
            let seconds = max(guest.deadlineSeconds / 2, 0.2)
            let connecting = connecting
            let result = try? TimedCall.run(seconds: seconds * 2.5) {
                () throws(LifeboatError) -> Bool in
                let quiescer = try connecting.quiescer(for: way)
                if isRunning, try !quiescer.isFrozen(timeoutSeconds: seconds) { return true }
                // What it answers counts for nothing: the question afterwards does.
                _ = try? quiescer.thaw(timeoutSeconds: seconds)
                return try !quiescer.isFrozen(timeoutSeconds: seconds)
            }
            guard let result else { continue }
            if index > 0 { ways.swapAt(0, index) }
            return result
        }
        return false
    }

    /// Lets it run again by the machine itself: that takes no agent.
    private func resume() -> Bool {
        let seconds = max(guest.deadlineSeconds / 2, 1)
        guard let address = guest.machine else { return false }
        let connecting = connecting
        let result: Void? = try? TimedCall.run(seconds: seconds * 2.5) {
            () throws(LifeboatError) in
            try connecting.resume(address, timeoutSeconds: seconds)
        }
        return result != nil
    }

    /// One that is stopped may keep the agent's socket, or the monitor's, to itself.
    private mutating func endParent() {
        let hasSocket = guest.address.socket != nil || guest.machine?.monitor != nil
        guard hasSocket, !hasEndedParent, orders.parent > 1 else { return }
        hasEndedParent = true
        alarm(
            "\(guest.name) is not reached; process \(orders.parent) is ended, which \(guest.isPaused ? "paused" : "froze") it"
        )
        // Its pipe is open still, so that the number is its own.
        kill(orders.parent, SIGKILL)
    }

    private mutating func raiseAlarm() {
        guard !isAlarmed else { return }
        isAlarmed = true
        let found = GuardianAlarm(
            machine: guest.name, address: guest.address, time: Clock.milliseconds(),
            message: guest.isPaused
                ? "\(guest.name) may be paused, and its hypervisor does not answer"
                : "\(guest.name) may be frozen, and its agent does not answer",
            isPaused: guest.isPaused ? true : nil)
        alarm("\(found.message); \(found.advice)")
        do throws(LifeboatError) { try found.write(in: orders.runDirectory) } catch {
            alarm("the alarm cannot be left in \(orders.runDirectory): \(error)")
        }
    }

    private mutating func clearAlarm() {
        guard isAlarmed else { return }
        isAlarmed = false
        alarm("\(guest.name) runs again")
        GuardianAlarm.remove(machine: guest.name, in: orders.runDirectory)
    }
}
