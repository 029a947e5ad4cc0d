import LifeboatCore
import LifeboatSystem

/// What one run has in a machine's hypervisor, which is ended where the run dies.
///
/// Otherwise the job would cost the guest a copy for each first write, and fill the scratch files,
/// until the next run of its line; that one cleans up in any case.
struct GuardedSnapshot {
    private let remains: SnapshotRemains
    private let orders: GuardianOrders
    private let claim: GuardianClaim
    private let connecting: any GuestAgentConnecting
    private let alarm: @Sendable (String) -> Void

    /// Guests come first, but one whose agent is dead must not keep its job.
    private static let thawSeconds = 10.0
    private static let callSeconds = 20.0
    private static let pauseSeconds = 1.0
    /// So long after the run's death it is tried again.
    private static let patienceSeconds = 300.0

    init(
        _ remains: SnapshotRemains, _ orders: GuardianOrders, claim: GuardianClaim,
        connecting: any GuestAgentConnecting, alarm: @escaping @Sendable (String) -> Void
    ) {
        self.remains = remains
        self.orders = orders
        self.claim = claim
        self.connecting = connecting
        self.alarm = alarm
    }

    /// Looks after it to the end; returns whether nothing is known to be left.
    func look(after guardian: Guardian) -> Bool {
        guard guardian.waitForEnd() == .dead else { return true }
        guardian.waitForGuests(Set(orders.guests.map(\.name)), seconds: Self.thawSeconds)
        // What the run had asked for before it died may begin only now.
        let settled =
            Clock.monotonicSeconds() + (guardian.isReleased ? 0 : orders.lingerSeconds)
        let deadline = Deadline(seconds: max(Self.patienceSeconds, orders.lingerSeconds))
        // The next run ends what is left by itself, and has what must not be ended.
        while !claim.isTakenOver {
            let failure = end()
            // The next run may have come and gone during that.
            if failure == nil, Clock.monotonicSeconds() >= settled || claim.isGone { return true }
            if let failure, deadline.hasPassed {
                alarm(
                    "what a backup left in \(remains.machine) could not be ended, and its next "
                        + "run has to do it: \(failure)")
                return false
            }
            let pause = Deadline(seconds: min(Self.pauseSeconds, orders.lingerSeconds))
            while !pause.hasPassed, !claim.isTakenOver {
                Threads.sleep(seconds: min(pause.seconds, GuardianClaim.lookSeconds))
            }
        }
        return true
    }

    /// Returns why it could not be ended.
    private func end() -> LifeboatError? {
        let (connecting, remains, claim) = (connecting, remains, claim)
        do throws(LifeboatError) {
            try TimedCall.run(seconds: Self.callSeconds * 4) { () throws(LifeboatError) in
                try connecting.end(remains, timeoutSeconds: Self.callSeconds) {
                    !claim.isTakenOver
                }
            }
            return nil
        } catch {
            return error
        }
    }
}
