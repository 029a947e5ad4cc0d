import LifeboatCore
import LifeboatMachine

extension CycleSimulation {
    /// Whether all that is promised holds at the end.
    mutating func check() {
        for index in guests.indices {
            let name = "\(plans[index].name) (\(plans[index].policy.quiesce))"
            // Where the guardian was not told that it runs, it looks after it.
            let isWatched = isGuarded && !releasedAsRunning.contains(index)
            if guests[index].isFrozen, !isWatched { violations.append("\(name) stays frozen") }
            if guests[index].isPaused { violations.append("\(name) stays paused") }
            let seconds = plans[index].policy.freezeSeconds
            let hasTrouble = guests[index].thawFault != .none
            if !hasTrouble, guests[index].longestFreeze > seconds * 1.05 + 1 {
                violations.append("\(name) was frozen for \(guests[index].longestFreeze) s")
            }
            if hasTrouble, guests[index].longestFreeze > seconds * 20 {
                violations.append("\(name) was frozen for \(guests[index].longestFreeze) s")
            }
            if afterThawHooks[index] != 1 { violations.append("\(name)'s hook did not run once") }
        }
        guard let outcome = cycle.outcome else { return }
        for (index, member) in outcome.members.enumerated() { check(index, member) }
        let isStopped = outcome.members.indices.contains {
            plans[$0].policy.quiesce == .require && guests[$0].freezeFault == .refused
                && guests[$0].freezeRequested && outcome.members[$0].failure == nil
        }
        if isStopped { violations.append("a required machine was not frozen and did not fail") }
    }

    private mutating func check(_ index: Int, _ member: QuiesceOutcome) {
        let guest = guests[index]
        let policy = plans[index].policy
        let name = plans[index].name
        guard let level = member.level else {
            if member.failure == nil, policy.quiesce != .stateless {
                violations.append("\(name) has neither a level nor a failure")
            }
            return
        }
        if guest.wasFrozenInSnapshot == nil { violations.append("\(name) has no snapshot") }
        if level >= .filesystem, guest.wasFrozenInSnapshot != true {
            violations.append("\(name) is said to be \(level), and was not frozen")
        }
        let commandsWorked = policy.guestCommands.isEmpty || guest.commandSucceeded
        let canApplications =
            policy.hasFreezeHooks || guest.isWindows || guest.commandSucceeded
        if level == .application, !canApplications || !commandsWorked {
            violations.append("\(name) is said to be application-consistent")
        }
        if policy.quiesce == .require, plans[index].isRunning, level < .filesystem {
            violations.append("\(name) was required to be frozen")
        }
        if policy.quiesce == .prefer, level < .filesystem, member.reasons.isEmpty {
            violations.append("\(name) has no reason for its level")
        }
    }
}
