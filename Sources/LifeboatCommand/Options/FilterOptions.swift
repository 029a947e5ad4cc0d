import ArgumentParser
import Lifeboat
import LifeboatCore

/// Which points are meant, in a list or by `latest`.
struct FilterOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Only points of this machine.", valueName: "name"))
    var machine: String?

    @Option(help: ArgumentHelp("Only points that this host made.", valueName: "name"))
    var host: String?

    @Option(
        name: .customLong("tag"),
        help: ArgumentHelp("Only points with this tag; may be repeated.", valueName: "key=value"))
    var tags: [String] = []

    func validate() throws {
        _ = try usageChecked { () throws(LifeboatError) in try NamePairs.tags(tags) }
    }

    func filter() throws(LifeboatError) -> PointFilter {
        var filter = PointFilter()
        filter.machine = machine
        filter.host = host
        filter.tags = try NamePairs.tags(tags)
        return filter
    }
}

/// How much of the machine a run may use.
struct ResourceOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Peak memory to aim at, in bytes.", valueName: "size"))
    var memory = ByteCountArgument(256 << 20)

    @Option(help: ArgumentHelp("Worker threads; 0 for one a processor.", valueName: "count"))
    var threads = 0

    func validate() throws {
        if !(0...1024).contains(threads) { throw ValidationError("--threads goes from 0 to 1024") }
        if memory.bytes < 32 << 20 { throw ValidationError("--memory must be at least 32MiB") }
    }
}

/// Runs `check` and turns what it throws into what the parser shows with the usage.
func usageChecked<Value>(_ check: () throws(LifeboatError) -> Value) throws -> Value {
    do {
        return try check()
    } catch {
        throw ValidationError(error.description)
    }
}
