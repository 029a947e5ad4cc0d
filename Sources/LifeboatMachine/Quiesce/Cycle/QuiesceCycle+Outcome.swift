import LifeboatCore

extension QuiesceCycle {
    func makeOutcome() -> GroupQuiesceOutcome {
        let starts = members.compactMap { member in
            if case .started(let time) = member.snapshot { time } else { nil }
        }
        let skew = (starts.max() ?? 0) - (starts.min() ?? 0)
        return GroupQuiesceOutcome(
            members: members.map { outcome($0, lastStart: starts.max() ?? 0) },
            skewMilliseconds: milliseconds(skew))
    }

    private func outcome(_ member: QuiesceMember, lastStart: Double) -> QuiesceOutcome {
        var result = QuiesceOutcome(level: nil)
        result.reasons = member.reasons
        result.isDeadManArmed = member.deadMan != nil
        if case .frozen(let count) = member.freeze, count > 0, let end = member.thawedTime {
            result.windowMilliseconds = milliseconds(end - member.freezeTime)
        }
        result.failure =
            member.failure
            ?? groupFailure.map { failure in
                isCancelled
                    ? failure
                    : LifeboatError(
                        .unavailable, "another machine of the group failed", subject: member.name,
                        cause: failure.description)
            }
        guard result.failure == nil, member.policy.quiesce != .stateless else { return result }
        guard case .started(let start) = member.snapshot else {
            result.failure = LifeboatError(
                .internalFault, "its snapshot was not started", subject: member.name)
            return result
        }
        result.level = .crash
        guard member.isRunning else {
            result.reasons.append("it did not run, and how it was shut off is not known")
            return result
        }
        guard [.require, .prefer].contains(member.policy.quiesce) else { return result }
        guard case .frozen(let count) = member.freeze,
            count > 0 || !rules.contains(.zeroFrozenIsCrash)
        else { return result }
        if let doubt = doubt(member, count: count, start: start, lastStart: lastStart) {
            result.reasons.append(doubt)
            guard member.policy.quiesce == .require else { return result }
            result.level = nil
            result.failure = LifeboatError(.unavailable, doubt, subject: member.name)
            return result
        }
        let hasApplications =
            member.policy.hasFreezeHooks || member.hasQuiescedApplications
            || member.system?.isWindows == true
        result.level = hasApplications && !member.isDegraded ? .application : .filesystem
        return result
    }

    /// Why it is not certain that the guest was frozen when its snapshot was started.
    private func doubt(
        _ member: QuiesceMember, count: Int, start: Double, lastStart: Double
    ) -> String? {
        let window = member.freezeTime + member.times.deadline
        if rules.contains(.earlyThawIsCrash) {
            if let thaw = member.thawTime, thaw < start {
                return "it was thawed before its snapshot was started"
            }
            if start >= window { return "its snapshot was started after the freeze's deadline" }
        }
        if rules.contains(.windowsLimit), member.system?.isWindows == true,
            lastStart - member.freezeTime > QuiesceTimes.windowsLimit
        {
            return "Windows ends a freeze after 10 s, and the snapshots took longer"
        }
        guard rules.contains(.doubtfulThawIsCrash) else { return nil }
        if let failure = member.thawFailure {
            return "thawing failed, so that the freeze may have ended before: \(failure)"
        }
        guard let thawed = member.thawCount else { return "the thaw was not answered" }
        return thawed < count
            ? "\(count) file systems were frozen and only \(thawed) thawed: the freeze had ended before"
            : nil
    }

    private func milliseconds(_ seconds: Double) -> UInt64 {
        UInt64(max(0, min(seconds, 1e9)) * 1000)
    }
}
