import LifeboatCore
import LifeboatFormat
public import LifeboatProtocol

/// One schedule: a repository, its hosts, and everything that happens to them.
///
/// The seed fixes all of it. Source: docs/simulation.md.
public final class Simulation {
    static let repository = Identifier(0xA0, 0xA0)
    static let domain = Identifier(0xD0, 0xD0)
    static let positionCount = 5

    let seed: UInt64
    let rules: Rules
    let isTraced: Bool
    var random: Randomness
    let scene: Scene
    var faults: Faults
    /// Short logs have anchors and gaps like long ones.
    var shape: LogSearch.Shape { .init(bitsPerLevel: scene.bitsPerLevel, levels: 4) }
    var store = SimulatedStore()
    var late: [LateRequest] = []
    var nextLate = Int.max
    var roster: Roster { didSet { store.roster = roster } }
    var hosts: [Host] = []
    var now = 0
    /// Names given so far.
    var names: UInt64 = 0
    var memberCount: UInt64 = 0
    var machineCount = 0
    var steps = 0
    var lastHappened = 0
    var chunkCount: Int { scene.chunks }
    /// How many keepers' operations tidy, in 1000.
    var tidying: Int

    // What an observer who sees everything knows.
    var told: Set<Digest> = []
    var everCounted: [Digest: (log: Identifier, member: Identifier)] = [:]
    var forgotten: Set<Digest> = []
    var isDirty = false
    var isTelling = false
    var missingParent: Digest?
    var lastCheck = 0
    var violation: String?
    var trace: UInt64 = 0
    var events: [String] = []
    var countedSessions = 0
    var voidedSessions = 0
    var suspended: [(member: Identifier, due: Int)] = []
    var snapshots: [(host: Int, state: Host)] = []

    /// `theme`: that one, instead of the seed's.
    public init(
        seed: UInt64, rules: Rules = .all, isTraced: Bool = false, theme: Scene.Theme? = nil
    ) {
        self.seed = seed
        self.rules = rules
        self.isTraced = isTraced
        random = Randomness(seed: Randomness.mixed(seed))
        scene = Scene(&random, theme: theme)
        faults = scene.faults
        tidying = scene.tidying
        roster = Roster(repository: Self.repository, number: 1, previous: .zero, members: [])
        if isTraced { events.append("\(scene)") }
        for _ in 0..<scene.writers { enrol(.writer) }
        for _ in 0..<scene.keepers { enrol(.keeper) }
    }

    // MARK: running

    public func run() -> ScheduleResult {
        let limit = 20_000
        while violation == nil, now < limit, turn() {}
        if violation == nil { check() }
        if violation == nil { settle() }
        return ScheduleResult(
            seed: seed, violation: violation, digest: trace, steps: steps, counted: countedSessions,
            voided: voidedSessions, events: events)
    }

    /// One turn of the schedule; returns whether there is anything left to do.
    private func turn() -> Bool {
        while lastHappened <= now {
            happen()
            lastHappened += 10
        }
        var candidates: [(host: Int, process: Int)] = []
        var isAnyAsleep = false
        for host in hosts.indices where !hosts[host].isGone {
            for process in hosts[host].processes.indices {
                let state = hosts[host].processes[process]
                if state.isIdle, hosts[host].remaining == 0 { continue }
                if state.asleepUntil > now {
                    isAnyAsleep = true
                } else {
                    candidates.append((host, process))
                }
            }
        }
        guard !candidates.isEmpty else {
            now += 50
            return isAnyAsleep
        }
        let (host, process) = candidates[random.below(candidates.count)]
        for _ in 0..<random.span(faults.burst) {
            now += 1
            if now >= nextLate { arrive() }
            isTelling = false
            step(host, process)
            if violation != nil { return false }
            if random.chance(faults.crash) {
                note(host, process, "crash", 1)
                hosts[host].crash(process)
                break
            }
            let nap = hosts[host].role == .keeper ? faults.keeperNap : faults.writerNap
            if random.chance(isTelling ? max(nap, faults.sleep) : faults.sleep) {
                note(host, process, "sleep", 2)
                hosts[host].processes[process].asleepUntil =
                    now + 1 + random.below(faults.longestSleep)
                break
            }
        }
        // What is lost stays lost, so that it is enough to look now and then.
        if isDirty, now >= lastCheck + 150 { check() }
        return violation == nil
    }

    /// Goes on with what a process does, or begins something.
    func step(_ host: Int, _ process: Int) {
        steps += 1
        if hosts[host].processes[process].session != nil {
            stepSession(host, process)
        } else if hosts[host].processes[process].collection != nil {
            stepCollection(host, process)
        } else if hosts[host].processes[process].fence != nil {
            stepFence(host, process)
        } else if hosts[host].processes[process].keeping != nil {
            stepKeeping(host, process)
        } else if hosts[host].remaining > 0, hosts[host].lock == nil {
            if random.chance(scene.rest > 0 ? 500 : 0) {
                hosts[host].processes[process].asleepUntil = now + random.span(scene.rest)
                return
            }
            hosts[host].remaining -= 1
            begin(host, process)
        }
    }

    private func begin(_ host: Int, _ process: Int) {
        if hosts[host].role == .writer { return beginSession(host, process) }
        let choice = random.below(1000)
        if choice < scene.fencing {
            beginFence(host, process, isRight: !random.chance(faults.wrongFence))
        } else if choice < scene.fencing + scene.forgetting {
            beginKeeping(host, process)
        } else {
            beginCollection(host, process)
        }
    }

    /// A hand on the host's log, as its state directory is now.
    func writing(_ host: Int) -> LogWriting {
        LogWriting(
            repository: Self.repository, member: hosts[host].member, domain: Self.domain,
            roster: roster, memory: hosts[host].memory, rules: rules, shape: shape,
            identify: { Self.identify($0) })
    }

    static func identify(_ entry: LogEntry) -> Digest {
        SimulatedName.digest(of: entry.payload.encoded())
    }

    func clock(_ host: Int) -> UInt64 {
        UInt64(max(1, 1_000_000 + now * 10 + hosts[host].clockOffset))
    }

    func newName() -> Digest {
        names += 1
        return SimulatedName.digest(names)
    }

    // MARK: telling

    func note(_ host: Int, _ process: Int, _ text: @autoclosure () -> String, _ code: UInt64) {
        let place = UInt64(host) << 40 | UInt64(process) << 32
        trace = Randomness.mixed(trace ^ place ^ code ^ UInt64(now) << 48)
        if isTraced { events.append("\(now) host \(host).\(process): \(text())") }
    }

    func fail(_ what: String) {
        guard violation == nil else { return }
        violation = what
        if isTraced { events.append("\(now) WRONG: \(what)") }
    }
}

extension Digest {
    var brief: String { String(word1 > 0xFFFF_FFFF ? word0 >> 44 : word1, radix: 16) }
}
