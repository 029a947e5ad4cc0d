import ArgumentParser
import Glibc
import LifeboatProtocol
import LifeboatSimulation

/// Runs the repository's protocol through random schedules of faults.
@main
struct Simulate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lifeboat-simulate",
        abstract: "Run the repository's protocol through random schedules of faults.")

    @Option(help: "How many schedules.") var schedules: UInt64 = 10_000
    @Option(help: "Where the seeds begin.") var seed: UInt64 = 1
    @Option(help: "Skip so many schedules.") var first: UInt64 = 0
    @Option(help: "Threads.") var workers = 2
    @Option(help: "Switch one rule off.") var without: String?
    @Flag(help: "Switch off one rule after the other, and tell when that is found.")
    var table = false
    @Option(help: "With --table: how many schedules without each rule.")
    var limit: UInt64 = 10_000
    @Option(help: "Tell how far it is, each time after so many schedules.") var report: UInt64?
    @Option(help: "One theme for all schedules, instead of the seed's own.") var theme: String?
    @Flag(help: "Print the events of one schedule: the first.") var trace = false

    mutating func validate() throws {
        if let without, !Campaign.rules.contains(where: { $0.name == without }) {
            throw ValidationError(
                "there is no rule \(without); the rules are "
                    + Campaign.rules.map(\.name).joined(separator: ", "))
        }
        guard theme == nil || chosenTheme != nil else {
            throw ValidationError(
                "there is no theme \(theme ?? ""); the themes are "
                    + Scene.Theme.allCases.map(\.rawValue).joined(separator: ", "))
        }
        guard workers > 0 else { throw ValidationError("at least one worker is needed") }
    }

    private var chosenTheme: Scene.Theme? { theme.flatMap { Scene.Theme(rawValue: $0) } }

    func run() async throws {
        if table { return try await printTable() }
        let off = Campaign.rules.first { $0.name == without }?.rule ?? []
        let rules = Rules.all.subtracting(off)
        if trace {
            let result = Campaign.run(
                seed: seed + first, rules: rules, isTraced: true, theme: chosenTheme)
            for event in result.events { print(event) }
            print(Self.describe(result))
            if result.violation != nil { throw ExitCode.failure }
            return
        }
        let started = ContinuousClock.now
        let outcome = await Search(
            first: seed + first, count: schedules, rules: rules, report: report, theme: chosenTheme
        )
        .run(workers: workers)
        let duration = ContinuousClock.now - started
        let seconds =
            Double(duration.components.seconds)
            + Double(duration.components.attoseconds) / 1e18
        print(
            "\(outcome.schedules) schedules, \(outcome.steps) steps, \(outcome.counted) points",
            "that count, \(outcome.voided) void sessions,",
            "\(Int(Double(outcome.schedules) / max(seconds, 0.001))) schedules/s")
        if let worst = outcome.violation {
            print("seed \(worst.seed): \(worst.violation ?? "")")
            throw ExitCode.failure
        }
        print("nothing went wrong")
    }

    private static func describe(_ result: ScheduleResult) -> String {
        "seed \(result.seed): \(result.violation ?? "nothing went wrong"), \(result.steps) steps, "
            + "\(result.counted) points that count, digest \(String(result.digest, radix: 16))"
    }

    private func printTable() async throws {
        print("| rule | what it stops | found at seed | theme | what went wrong |")
        print("|---|---|---:|---|---|")
        var isMissing = false
        for rule in Campaign.rules {
            let search = Search(
                first: seed - 1 + rule.firstSeed, count: limit,
                rules: Rules.all.subtracting(rule.rule),
                theme: rule.theme)
            let outcome = await search.run(workers: workers)
            if let found = outcome.violation {
                print(
                    "| `\(rule.name)` | \(rule.purpose) | \(found.seed)",
                    "| \(rule.theme?.rawValue ?? "") | \(found.violation ?? "") |")
            } else {
                isMissing = true
                print("| `\(rule.name)` | \(rule.purpose) | not in \(limit) | | |")
            }
        }
        if isMissing { throw ExitCode.failure }
    }
}

/// Looks for the first schedule that goes wrong.
struct Search: Sendable {
    struct Outcome: Sendable {
        var schedules: UInt64 = 0
        var steps = 0
        var counted = 0
        var voided = 0
        /// The one with the least seed.
        var violation: ScheduleResult?

        mutating func add(_ other: Outcome) {
            schedules += other.schedules
            steps += other.steps
            counted += other.counted
            voided += other.voided
            if let found = other.violation, found.seed < violation?.seed ?? .max {
                violation = found
            }
        }
    }

    var first: UInt64
    var count: UInt64
    var rules: Rules
    /// After how many schedules to tell how far it is.
    var report: UInt64?
    var theme: Scene.Theme?

    func run(workers: Int) async -> Outcome {
        var outcome = Outcome()
        let stride: UInt64 = 200
        var next: UInt64 = 0
        await withTaskGroup(of: Outcome.self) { group in
            for _ in 0..<workers where next < count {
                let begin = next
                group.addTask { self.part(begin, min(stride, count - begin)) }
                next += stride
            }
            while let part = await group.next() {
                let before = outcome.schedules
                outcome.add(part)
                if let report, outcome.schedules / report > before / report {
                    print("\(outcome.schedules) schedules, up to about seed \(first + next)")
                    fflush(nil)
                }
                guard outcome.violation == nil, next < count else { continue }
                let begin = next
                group.addTask { self.part(begin, min(stride, count - begin)) }
                next += stride
            }
        }
        return outcome
    }

    private func part(_ begin: UInt64, _ count: UInt64) -> Outcome {
        var outcome = Outcome()
        for offset in begin..<begin + count {
            let result = Campaign.run(seed: first + offset, rules: rules, theme: theme)
            outcome.add(
                Outcome(
                    schedules: 1, steps: result.steps, counted: result.counted,
                    voided: result.voided,
                    violation: result.violation == nil ? nil : result))
            if outcome.violation != nil { break }
        }
        return outcome
    }
}
