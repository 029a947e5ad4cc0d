import LifeboatCore

extension QuiesceCycle {
    /// Does the next thing that comes before the freeze or after the thaw.
    mutating func prepareNext(_ index: Int, _ now: Double) {
        while !members[index].steps.isEmpty {
            let step = members[index].steps.removeFirst()
            let times = members[index].times
            switch step {
            case .hook(let hook):
                perform(.hook(hook), index, seconds: hook.timeoutSeconds, now)
                return
            case .inspect:
                perform(.inspect, index, seconds: times.inspection, now)
                return
            case .command(let command):
                perform(.command(command), index, seconds: command.timeoutSeconds, now)
                return
            case .arm:
                // A dead-man needs a shell and `fsfreeze`.
                guard let system = members[index].system, system.allowsCommands, !system.isWindows
                else { continue }
                perform(.arm(seconds: times.deadMan), index, seconds: times.inspection, now)
                return
            }
        }
    }

    mutating func prepared(
        _ operation: QuiesceOperation, _ answer: QuiesceAnswer, _ now: Double
    ) {
        let index = operation.member
        switch operation.work {
        case .inspect:
            switch answer {
            case .system(let system): members[index].system = system
            case .failed(let error): cannotFreeze(index, error)
            default: cannotFreeze(index, LifeboatError(.damaged, "the agent says nothing"))
            }
        case .arm:
            switch answer {
            case .process(let process): members[index].deadMan = process
            case .failed(let error):
                tell(.note("\(members[index].name): no dead-man is armed: \(error)"))
            default: break
            }
        case .hook(let hook):
            if case .failed(let error) = answer {
                deal(with: error, hook.onError, "hook \(hook.arguments.first ?? "")", index)
            }
        case .command(let command):
            let name = "command \(command.arguments.first ?? "")"
            if case .failed(let error) = answer {
                deal(with: error, command.onError, name, index)
                if command.quiescesApplications,
                    rules.contains(.failedCommandsLowerTheLevel)
                {
                    members[index].isDegraded = true
                }
            } else if command.quiescesApplications {
                members[index].hasQuiescedApplications = true
            }
        default: break
        }
        prepareNext(index, now)
    }

    private mutating func deal(
        with error: LifeboatError, _ onError: OnError, _ what: String, _ index: Int
    ) {
        switch onError {
        case .fail: fail(index, error)
        case .degrade:
            members[index].isDegraded = true
            members[index].reasons.append("\(what) failed: \(error)")
        case .ignore: tell(.warning("\(members[index].name): \(what) failed: \(error)"))
        }
    }

    /// It goes on without being frozen, or not at all.
    mutating func cannotFreeze(_ index: Int, _ error: LifeboatError) {
        members[index].wantsFreeze = false
        members[index].reasons.append("it was not frozen: \(error)")
        // What is to be run in the guest makes sense only before a freeze.
        members[index].steps.removeAll { if case .hook = $0 { false } else { true } }
        if members[index].policy.quiesce == .require { fail(index, error) }
    }

    /// Ends what runs beside the guests, and runs what comes after.
    mutating func finish(_ now: Double) {
        if isGuarded {
            let running = members.indices.filter { members[$0].isKnownToRun }
            let seconds = members.map(\.times.inspection).max() ?? 1
            perform(.releaseGuardian(running: running), 0, seconds: seconds, now)
        }
        for index in members.indices {
            // One that may be frozen keeps its dead-man.
            if let process = members[index].deadMan, members[index].isKnownToRun {
                perform(
                    .disarm(process: process), index, seconds: members[index].times.status, now)
            }
            members[index].steps = members[index].policy.hooks
                .filter { $0.moment == .afterThaw }.map { .hook($0) }
            prepareNext(index, now)
        }
    }
}
