import LifeboatCore

extension QuiesceCycle {
    mutating func beginFreeze(_ index: Int, _ now: Double) {
        let member = members[index]
        guard member.wantsFreeze, member.isTakingPart else { return }
        let isSafe = !hasGuardian || isGuarded || member.deadMan != nil
        guard isSafe || !rules.contains(.guardBeforeFreezing) else {
            cannotFreeze(
                index, LifeboatError(.unavailable, "nothing would thaw it if this run died"))
            return
        }
        members[index].freeze = .asked
        members[index].freezeTime = now
        perform(.freeze, index, seconds: member.times.freeze, now)
    }

    mutating func frozen(_ index: Int, _ answer: QuiesceAnswer, _ now: Double) {
        switch answer {
        case .count(let count):
            members[index].freeze = .frozen(count: count)
            if count == 0, rules.contains(.zeroFrozenIsCrash) {
                failFreeze(
                    index, LifeboatError(.unavailable, "the guest froze no file system"), now)
            }
        case .failed(let error):
            switch error.code {
            case .denied: members[index].freeze = .denied
            case .refused: members[index].freeze = .failed
            default: members[index].freeze = .unanswered
            }
            failFreeze(index, error, now)
        default:
            members[index].freeze = .unanswered
            failFreeze(index, LifeboatError(.damaged, "the agent does not say what it froze"), now)
        }
        // The guest may have said `thawed` while this was under way.
        if members[index].thaw == .done {
            members[index].thaw = .none
            beginThaw(index, now)
        }
    }

    private mutating func failFreeze(_ index: Int, _ error: LifeboatError, _ now: Double) {
        // What the guest said while the freeze was under way says nothing of what follows.
        members[index].settledSince = nil
        members[index].reasons.append("freezing failed: \(error)")
        if members[index].policy.quiesce == .require {
            fail(index, error)
            if !rules.contains(.thawOnGroupFailure) { return }
        }
        beginThaw(index, now)
    }

    // MARK: pausing

    mutating func beginPause(_ index: Int, _ now: Double) {
        guard members[index].wantsPause else { return }
        guard !hasGuardian || isGuarded || !rules.contains(.guardBeforeFreezing) else {
            members[index].reasons.append("it was not paused: nothing would resume it")
            return
        }
        members[index].pause = .asked
        members[index].pauseTime = now
        perform(.pause, index, seconds: members[index].times.pause, now)
    }

    mutating func paused(_ index: Int, _ answer: QuiesceAnswer, _ now: Double) {
        if case .failed(let error) = answer {
            members[index].reasons.append("pausing failed: \(error)")
            members[index].pause = rules.contains(.resumeAlways) ? .paused : .over
            beginResume(index, now)
        } else {
            members[index].pause = .paused
            if phase >= .thawing { beginResume(index, now) }
        }
    }

    // MARK: snapshots

    mutating func beginSnapshot(_ index: Int, _ now: Double) {
        let member = members[index]
        guard member.wantsSnapshot else { return }
        var seconds = members.map(\.times.deadline).max() ?? member.times.deadline
        if member.freeze != .never, member.thaw == .none {
            seconds = member.freezeTime + member.times.thawAtLatest - now
        } else if member.pause == .paused {
            seconds = member.pauseTime + member.times.thawAtLatest - now
        }
        members[index].snapshot = .asked
        let least = member.times.interval
        perform(.snapshot, index, seconds: max(least, seconds - member.times.grace), now)
    }

    mutating func started(_ index: Int, _ answer: QuiesceAnswer, _ now: Double) {
        if case .failed(let error) = answer {
            members[index].snapshot = .none
            fail(index, error)
        } else {
            members[index].snapshot = .started(at: now)
        }
        if phase >= .thawing { beginResume(index, now) }
    }
}
