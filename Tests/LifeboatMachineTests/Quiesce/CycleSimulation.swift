import LifeboatCore
import LifeboatMachine
import LifeboatTesting

/// Runs a quiesce cycle against guests in simulated time, and checks what it promises.
struct CycleSimulation {
    enum Happening {
        case answer(Int, QuiesceAnswer)
        case cancel
        /// The agent comes to a thaw, or to the question whether it is frozen.
        case agent(QuiesceOperation, isLying: Bool)
        case change(Int, @Sendable (inout SimulatedGuest, Double) -> Void)
    }

    var random: SeededGenerator
    var guests: [SimulatedGuest]
    let plans: [QuiesceCycle.Member]
    let hasGuardian: Bool
    let guardianFails: Bool
    var cycle: QuiesceCycle
    var now = 100.0
    var queue: [(time: Double, order: Int, what: Happening)] = []
    var order = 0
    var violations: [String] = []
    var afterThawHooks: [Int: Int] = [:]
    var isGuarded = false
    var armed: Set<Int> = []
    var releasedAsRunning: Set<Int> = []
    var warnings = 0
    var stallsLeft: Int

    init(seed: UInt64, rules: QuiesceRules = .all, faults: Bool = true) {
        var random = SeededGenerator(seed: seed)
        let count = Int.random(in: 1...4, using: &random)
        guests = []
        var plans: [QuiesceCycle.Member] = []
        for index in 0..<count {
            var policy = ProtectionPolicy()
            policy.quiesce =
                faults
                ? [.require, .prefer, .prefer, .prefer, .crash, .pause, .stateless]
                    .randomElement(using: &random) ?? .prefer : .prefer
            policy.freezeSeconds = [4, 20, 20, 40].randomElement(using: &random) ?? 20
            policy.hasFreezeHooks = Int.random(in: 0..<3, using: &random) == 0
            policy.armsDeadMan = Bool.random(using: &random)
            var hook = HostHook(moment: .afterThaw, arguments: ["/bin/after"])
            hook.onError = .ignore
            policy.hooks = [hook]
            if Int.random(in: 0..<2, using: &random) == 0 {
                var command = GuestCommand(arguments: ["/bin/flush"])
                command.quiescesApplications = true
                command.onError = OnError.allCases.randomElement(using: &random) ?? .degrade
                policy.guestCommands = [command]
            }
            let runs = !faults || Int.random(in: 0..<8, using: &random) != 0
            plans.append(
                QuiesceCycle.Member(
                    name: "machine\(index)", policy: policy, isRunning: runs, hasAgent: runs))
            guests.append(SimulatedGuest(&random, faults: faults))
        }
        self.plans = plans
        hasGuardian = Int.random(in: 0..<3, using: &random) != 0
        guardianFails = faults && Int.random(in: 0..<5, using: &random) == 0
        stallsLeft = faults && Int.random(in: 0..<8, using: &random) == 0 ? 1 : 0
        cycle = QuiesceCycle(plans, hasGuardian: hasGuardian, rules: rules)
        self.random = random
        if faults, Int.random(in: 0..<6, using: &self.random) == 0 {
            push(Double.random(in: 0...30, using: &self.random), .cancel)
        }
    }

    mutating func push(_ delay: Double, _ what: Happening) {
        order += 1
        queue.append((now + delay, order, what))
    }

    /// Runs to the end; what was promised and did not hold.
    mutating func run() -> [String] {
        perform(cycle.start(now: now))
        let horizon = now + 100_000
        while cycle.outcome == nil {
            let next = queue.indices.min {
                (queue[$0].time, queue[$0].order) < (queue[$1].time, queue[$1].order)
            }
            let wake = cycle.wakeTime
            guard next != nil || wake != nil, now < horizon else {
                violations.append("it never ends")
                break
            }
            if let next, wake.map({ queue[next].time <= $0 }) ?? true {
                let item = queue.remove(at: next)
                now = max(now, item.time)
                happen(item.what)
            } else if let wake {
                now = max(now, wake) + 0.001
                perform(cycle.handle(.time, now: now))
            }
        }
        // What was on its way arrives.
        while let next = queue.indices.min(by: { queue[$0].time < queue[$1].time }) {
            let item = queue.remove(at: next)
            now = max(now, item.time)
            switch item.what {
            case .change, .agent: happen(item.what)
            case .answer, .cancel: break
            }
        }
        check()
        return violations
    }

    private mutating func happen(_ what: Happening) {
        switch what {
        case .answer(let ticket, let answer):
            if stallsLeft > 0, Int.random(in: 0..<6, using: &random) == 0 {
                // The process was stopped for a while; others' answers come meanwhile.
                stallsLeft -= 1
                push(Double.random(in: 1...60, using: &random), what)
                return
            }
            perform(cycle.handle(.answer(ticket: ticket, answer), now: now))
        case .cancel: perform(cycle.handle(.cancelled, now: now))
        case .change(let index, let change): change(&guests[index], now)
        case .agent(let operation, let isLying): speak(operation, isLying)
        }
    }

    private mutating func speak(_ operation: QuiesceOperation, _ isLying: Bool) {
        let index = operation.member
        let wasFrozen = guests[index].isFrozen
        var answer = QuiesceAnswer.isFrozen(wasFrozen)
        if operation.work == .thaw {
            if !isLying { guests[index].thaw(now) }
            answer = .count(wasFrozen ? 2 : 0)
            if guests[index].isWindows, !wasFrozen, guests[index].freezeFault != .endsEarly {
                answer =
                    guests[index].isSilentAboutLimit
                    ? .count(2) : .failed(LifeboatError(.refused, "limited up to 10 seconds"))
            }
        }
        perform(cycle.handle(.answer(ticket: operation.ticket, answer), now: now))
    }

    // MARK: the world

    private mutating func perform(_ actions: [QuiesceAction]) {
        for action in actions {
            switch action {
            case .tell(.warning): warnings += 1
            case .tell: break
            case .perform(let operation): perform(operation)
            }
        }
    }

    private var quick: Double {
        mutating get { Double.random(in: 0.001...0.3, using: &random) }
    }

    private mutating func answer(
        _ operation: QuiesceOperation, after delay: Double, _ answer: QuiesceAnswer
    ) {
        push(delay, .answer(operation.ticket, answer))
    }

    private var fault: QuiesceAnswer { .failed(LifeboatError(.unavailable, "a planned fault")) }

    private mutating func perform(_ operation: QuiesceOperation) {
        let index = operation.member
        let delay = quick
        switch operation.work {
        case .hook(let hook):
            if hook.moment == .afterThaw { afterThawHooks[index, default: 0] += 1 }
            answer(operation, after: delay, .done)
        case .inspect:
            let system = GuestSystem(
                identifier: guests[index].isWindows ? "mswindows" : "linux", name: "",
                agentVersion: "1", allowsCommands: true)
            answer(operation, after: delay, guests[index].inspectFails ? fault : .system(system))
        case .command:
            guests[index].commandSucceeded = !guests[index].commandFails
            answer(operation, after: delay, guests[index].commandFails ? fault : .done)
        case .arm:
            if !guests[index].armFails { armed.insert(index) }
            answer(operation, after: delay, guests[index].armFails ? fault : .process(7))
        case .disarm: answer(operation, after: delay, .done)
        case .startGuardian:
            isGuarded = !guardianFails
            answer(operation, after: delay, guardianFails ? fault : .done)
        case .releaseGuardian(let running):
            releasedAsRunning = Set(running)
            for member in running where guests[member].isFrozen || guests[member].isPaused {
                violations.append("the guardian is told that \(member) runs, and it does not")
            }
            answer(operation, after: delay, .done)
        case .freeze: freeze(operation, delay)
        case .thaw, .askFrozen: thawOrAsk(operation, delay)
        case .pause:
            // It pauses, though it says otherwise.
            push(delay, .change(index) { guest, _ in guest.isPaused = true })
            answer(operation, after: delay, guests[index].pauseFails ? fault : .done)
        case .resume:
            guests[index].resumeCount += 1
            let fails = guests[index].pauseFails && guests[index].resumeCount == 1
            if !fails { push(delay, .change(index) { guest, _ in guest.isPaused = false }) }
            answer(operation, after: delay, fails ? fault : .done)
        case .snapshot: snapshot(operation, delay)
        }
    }

    private mutating func freeze(_ operation: QuiesceOperation, _ delay: Double) {
        let index = operation.member
        let seconds = plans[index].policy.freezeSeconds
        guests[index].freezeRequested = true
        if hasGuardian, !isGuarded, !armed.contains(index) {
            violations.append("machine\(index) is frozen, and nothing else would thaw it")
        }
        let happens: Happening = .change(index) { guest, now in guest.freeze(now) }
        let late = Double.random(in: 0.7...0.95, using: &random) * seconds
        var busy = delay
        switch guests[index].freezeFault {
        case .none:
            push(delay, happens)
            answer(operation, after: delay, .count(2))
        case .slow:
            busy = seconds * Double.random(in: 0.2...0.6, using: &random)
            push(busy, happens)
            answer(operation, after: busy, .count(2))
        case .nothingFrozen: answer(operation, after: delay, .count(0))
        case .refused:
            answer(operation, after: delay, .failed(LifeboatError(.refused, "a hook failed")))
        case .refusedButFrozen:
            push(delay, happens)
            answer(operation, after: delay, .failed(LifeboatError(.refused, "a hook failed")))
        case .lost: break
        case .late:
            busy = late
            push(late, happens)
            answer(operation, after: late, .count(2))
        case .lateAndSilent:
            busy = late
            push(late, happens)
        case .reordered:
            // Other commands overtake it.
            push(late, happens)
        case .endsEarly:
            push(delay, happens)
            answer(operation, after: delay, .count(2))
            push(delay + quick, .change(index) { guest, now in guest.thaw(now) })
        }
        guests[index].freeAt = now + busy
        if guests[index].isWindows {
            // VSS ends it by itself.
            push(busy + 10, .change(index) { guest, now in if guest.isFrozen { guest.thaw(now) } })
        }
    }

    private mutating func thawOrAsk(_ operation: QuiesceOperation, _ delay: Double) {
        let index = operation.member
        let free = max(guests[index].freeAt - now, 0) + delay
        let isThaw = operation.work == .thaw
        let fault = guests[index].thawFault
        let strikes =
            guests[index].thawFaultsLeft > 0
            && (isThaw ? [.fails, .hangs, .answersOnly].contains(fault) : fault == .statusFails)
        if strikes { guests[index].thawFaultsLeft -= 1 }
        guests[index].freeAt = now + free
        if strikes, fault == .hangs { return }
        if strikes, fault != .answersOnly {
            answer(operation, after: free, self.fault)
        } else {
            push(free, .agent(operation, isLying: strikes))
        }
    }

    private mutating func snapshot(_ operation: QuiesceOperation, _ delay: Double) {
        let index = operation.member
        var instant = delay
        switch guests[index].snapshotFault {
        case .none: break
        case .slow: instant = Double.random(in: 1...20, using: &random)
        case .fails:
            answer(operation, after: delay, fault)
            return
        case .hangs: return
        }
        push(instant, .change(index) { guest, _ in guest.wasFrozenInSnapshot = guest.isFrozen })
        answer(operation, after: instant, .done)
    }
}
