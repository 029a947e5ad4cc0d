import ArgumentParser
import Foundation
import Lifeboat
import LifeboatArchive
import LifeboatCore
import LifeboatStore
import LifeboatSystem
import LifeboatTesting

/// `year`: many machines that back up often, for a long time.
struct YearCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "year",
        abstract: "Simulate many machines that back up every few minutes, for days.",
        discussion: """
            Time is simulated; sessions, forgetting and pruning are real. All machines back up \
            small volumes of which little changes, a keeper prunes, and forgets once a day. Fails \
            when in the end any work takes more than twice the processor time that it took on the \
            first two days, or when objects or space grow beyond what is kept.
            """)

    @Option(help: "Machines, each a writer of its own.")
    var machines = 40

    @Option(help: "Minutes between two backups of a machine.")
    var interval = 5

    @Option(help: "Simulated days.")
    var days = 365

    @Option(help: "Minutes between two steps of the keeper.")
    var pruneInterval = 60

    @Option(help: "Hours for which all points are kept.")
    var keepAllHours: UInt64 = 24

    @Option(help: "Days for which a point an hour is kept; of older ones, one a day.")
    var keepHourlyDays: UInt64 = 7

    @Option(help: "What the volumes are made from.")
    var seed: UInt64 = 1

    @Option(help: "The folder to work in; by default the system's for temporary files.")
    var directory: String?

    @Flag(help: "Keep the repository in memory.")
    var memory = false

    @Flag(help: "Print the days as one JSON object.")
    var json = false

    private struct Report: Encodable {
        var machines: Int
        var intervalMinutes: Int
        var seed: UInt64
        var faults: [String]
        var days: [DayReport]
    }

    func validate() throws {
        guard machines > 0, interval > 0, days > 2, pruneInterval > 0 else {
            throw ValidationError("there must be machines, and three days at least")
        }
    }

    func run() throws {
        Files.raiseOpenFileLimit()
        let parent = directory ?? FileManager.default.temporaryDirectory.path
        let folder = parent + "/lifeboat-lab-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let store: any ObjectStore =
            memory ? MemoryStore() : try DirectoryStore.create(path: folder + "/repository")
        let start = 20_000 * RetentionPolicy.day
        Clock.simulate(start)
        defer { Clock.simulate(nil) }
        let fleet = try Fleet(in: store, folder: folder, machines: machines, seed: seed)
        let calendar = YearSimulation(
            fleet: fleet, start: start,
            interval: UInt64(interval) * 60_000, pruneInterval: UInt64(pruneInterval) * 60_000,
            policy: RetentionPolicy(allHours: keepAllHours, hourlyDays: keepHourlyDays),
            tell: tell)
        var reports: [DayReport] = []
        tell(DayReport.title)
        for day in 1...days {
            reports.append(try calendar.simulate(day: day))
            tell(reports[reports.count - 1].line)
        }
        let faults = YearVerdict(reports).faults
        for fault in faults { tell("failed: " + fault) }
        if json {
            print(
                try LifeboatLab.json(
                    Report(
                        machines: machines, intervalMinutes: interval, seed: seed, faults: faults,
                        days: reports)))
        }
        if !faults.isEmpty { throw ExitCode.failure }
    }

    private func tell(_ text: String) {
        let output = json ? FileHandle.standardError : FileHandle.standardOutput
        output.write(Data((text + "\n").utf8))
    }
}
