import LifeboatCore

extension QuiesceCycle {
    /// Does what the time asks for.
    mutating func wake(_ index: Int, _ now: Double) {
        let member = members[index]
        if case .waiting(let until) = member.thaw, until <= now {
            // One that may freeze late is only watched; any other is frozen still.
            if member.settledSince != nil { ask(index, now) } else { thaw(index, now) }
        }
        if case .waiting(let until) = member.pause, until <= now { resume(index, now) }
        if member.freeze != .never, member.thaw == .none, rules.contains(.thawAtOwnDeadline),
            member.freezeTime + member.times.thawAtLatest <= now
        {
            beginThaw(index, now)
        }
        if member.pause == .paused, member.pauseTime + member.times.thawAtLatest <= now {
            beginResume(index, now)
        }
    }

    mutating func beginThaw(_ index: Int, _ now: Double) {
        guard members[index].freeze != .never, members[index].thaw == .none else { return }
        if case .frozen = members[index].freeze {
        } else if !rules.contains(.thawAfterFailedFreeze) {
            members[index].thaw = .done
            return
        }
        if members[index].thawTime == nil { members[index].thawTime = now }
        thaw(index, now)
    }

    private mutating func thaw(_ index: Int, _ now: Double) {
        members[index].thaw = .busy
        let isWindows = members[index].system?.isWindows == true
        perform(.thaw, index, seconds: members[index].times.thaw(isWindows: isWindows), now)
    }

    private mutating func ask(_ index: Int, _ now: Double) {
        members[index].thaw = .busy
        perform(.askFrozen, index, seconds: members[index].times.status, now)
    }

    mutating func thawed(_ index: Int, _ answer: QuiesceAnswer, _ now: Double) {
        let isFirst = members[index].thawCount == nil && members[index].thawFailure == nil
        switch answer {
        case .count(let count):
            if isFirst { members[index].thawCount = count }
            if !rules.contains(.askUntilThawed) {
                members[index].thaw = .done
                members[index].thawedTime = now
                return
            }
        case .failed(let error):
            if isFirst { members[index].thawFailure = error }
        default:
            if isFirst {
                members[index].thawFailure = LifeboatError(.damaged, "the agent says no number")
            }
        }
        ask(index, now)
    }

    mutating func asked(_ index: Int, _ answer: QuiesceAnswer, _ now: Double) {
        let member = members[index]
        guard case .isFrozen(false) = answer else {
            members[index].settledSince = nil
            if member.freeze == .denied, case .failed = answer {
                // An agent that takes no such commands froze nothing.
                members[index].thaw = .done
            } else if now > member.freezeTime + member.giveUpSeconds {
                members[index].thaw = .gaveUp
                members[index].reasons.append("the guest does not say that it is thawed")
                tell(
                    .warning(
                        "\(member.name): the guest does not say that it is thawed; look after it"))
            } else {
                members[index].thaw = .waiting(until: now + member.times.interval)
            }
            return
        }
        let isLate = member.freeze == .asked || member.freeze == .unanswered
        guard isLate, rules.contains(.distrustLateFreezes) else {
            members[index].thaw = .done
            members[index].thawedTime = now
            return
        }
        let since = member.settledSince ?? now
        members[index].settledSince = since
        if now >= since + member.times.settling, member.freeze != .asked {
            members[index].thaw = .done
            members[index].thawedTime = now
        } else {
            members[index].thaw = .waiting(until: now + member.times.interval)
        }
    }

    /// What was given up has happened after all, or has failed.
    mutating func applyLate(
        _ answer: QuiesceAnswer, to operation: QuiesceOperation, _ now: Double
    ) {
        let index = operation.member
        switch operation.work {
        case .freeze:
            guard members[index].freeze == .unanswered else { return }
            // From now on the guest's word counts.
            members[index].freeze = .failed
            members[index].settledSince = nil
            guard !members[index].isThawing, rules.contains(.distrustLateFreezes) else { return }
            members[index].thaw = .none
            beginThaw(index, now)
        case .pause:
            guard rules.contains(.resumeAlways), !members[index].isResuming else { return }
            members[index].pause = .paused
            beginResume(index, now)
        case .arm:
            if case .process(let process) = answer { members[index].deadMan = process }
        default: break
        }
    }

    // MARK: resuming

    mutating func beginResume(_ index: Int, _ now: Double) {
        // A machine is called by one thread at a time.
        let isBusy = isPending { $0.member == index && $0.work == .snapshot }
        guard members[index].pause == .paused, !isBusy else { return }
        resume(index, now)
    }

    private mutating func resume(_ index: Int, _ now: Double) {
        members[index].pause = .resuming
        perform(.resume, index, seconds: members[index].times.pause, now)
    }

    mutating func resumed(_ index: Int, _ answer: QuiesceAnswer, _ now: Double) {
        let member = members[index]
        guard case .failed(let error) = answer else {
            members[index].pause = .over
            return
        }
        if now > member.pauseTime + member.giveUpSeconds {
            members[index].pause = .gaveUp
            tell(.warning("\(member.name): it may be paused still: \(error)"))
        } else {
            members[index].pause = .waiting(until: now + member.times.interval)
        }
    }
}
