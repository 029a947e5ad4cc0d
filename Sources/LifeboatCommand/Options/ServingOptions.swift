import ArgumentParser
import Lifeboat
import LifeboatCore

/// What serving a point may take of this host.
struct ServingOptions: ParsableArguments {
    @Option(
        name: .customLong("cache-size"),
        help: ArgumentHelp(
            "Disk for frames of a repository behind a network; they stay sealed there.",
            valueName: "size"))
    var cacheSize = ByteCountArgument(4 << 30)

    @Option(help: ArgumentHelp("Peak memory to aim at, in bytes.", valueName: "size"))
    var memory = ByteCountArgument(256 << 20)

    func validate() throws {
        if memory.bytes < 32 << 20 { throw ValidationError("--memory must be at least 32MiB") }
    }

    /// What serves the point for the command that runs.
    func options(
        _ point: String, _ filter: FilterOptions, _ repository: RepositoryOptions,
        _ key: RecoveryKeyOptions, _ run: Invocation
    ) throws(LifeboatError) -> ServeOptions {
        guard let file = key.file else {
            throw LifeboatError(
                .usage, "reading data back needs the recovery key",
                advice: "give --recovery-key-file with the file that init wrote")
        }
        let access = try run.operations(
            repository, secret: .recoveryKey(file), recoveryKeyFile: file
        ).access
        var options = ServeOptions(access: access, point: point)
        options.filter = try filter.filter()
        options.cacheSize = cacheSize.bytes
        options.memory = memory.bytes
        return options
    }
}
