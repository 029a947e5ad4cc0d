import Lifeboat
import LifeboatArchive
import LifeboatCore
import LifeboatProtocol
import LifeboatSystem

/// Lets a fleet live through simulated days, and measures what it does.
final class YearSimulation {
    let fleet: Fleet
    let tell: (String) -> Void
    let start: UInt64
    let interval: UInt64
    let pruneInterval: UInt64
    let policy: RetentionPolicy
    private var samples: [DayReport.Kind: [Double]] = [:]
    private var result = PruneResult()
    private var backups = 0

    init(
        fleet: Fleet, start: UInt64, interval: UInt64, pruneInterval: UInt64,
        policy: RetentionPolicy, tell: @escaping (String) -> Void
    ) {
        self.tell = tell
        self.fleet = fleet
        self.start = start
        self.interval = interval
        self.pruneInterval = pruneInterval
        self.policy = policy
    }

    private func measure<Value>(
        _ kind: DayReport.Kind, _ body: () throws -> Value
    ) throws -> Value {
        let before = Clock.cpuSeconds()
        let value = try body()
        samples[kind, default: []].append(Clock.cpuSeconds() - before)
        return value
    }

    /// One day, from midnight to midnight; the keeper forgets in the end.
    func simulate(day: Int) throws -> DayReport {
        samples = [:]
        let begun = Clock.cpuSeconds()
        let midnight = start + UInt64(day) * RetentionPolicy.day
        var now = midnight - RetentionPolicy.day
        var pruned = now
        var forgotten = 0
        while now < midnight {
            now += interval
            Clock.simulate(now)
            for machine in fleet.machines { try backUp(machine, now) }
            guard now >= pruned + pruneInterval else { continue }
            pruned = now
            try look()
            if now >= midnight {
                forgotten = try measure(.forget) { try fleet.forget(policy, now: now) }
            }
            result = try measure(.prune) {
                try Operations(on: try fleet.reopenedKeeper()).prune(PruneOptions())
            }
            for note in result.notes { tell("note: " + note) }
        }
        let log = try fleet.keeper.readLog()
        if let problem = log.problems.first { throw problem }
        return DayReport(
            day: day, points: log.ledger.points.count, forgotten: forgotten,
            cpuSeconds: Clock.cpuSeconds() - begun,
            work: Dictionary(
                uniqueKeysWithValues: samples.map { ($0.key.rawValue, DayReport.Work($0.value)) }),
            objects: try fleet.objects(), packBytesLive: result.bytesLive,
            packBytesHeld: result.bytesHeld, peakBytes: Clock.peakMemoryBytes)
    }

    private func backUp(_ machine: Fleet.Machine, _ now: UInt64) throws {
        machine.volume.change(at: now)
        try measure(.backup) { try fleet.backUp(machine) }
    }

    /// What a new process takes, at the time when it has most to read: before a keeper sums up.
    private func look() throws {
        let machine = fleet.machines[backups % fleet.machines.count]
        backups += 1
        try measure(.opening) { _ = try fleet.reopened(machine).readLog() }
        try measure(.listing) {
            _ = try Operations(on: try fleet.reopened(machine)).points(PointFilter())
        }
        machine.volume.change(at: Clock.milliseconds() + 1)
        try measure(.freshBackup) {
            try fleet.backUp(machine, with: try fleet.reopened(machine))
        }
    }
}
