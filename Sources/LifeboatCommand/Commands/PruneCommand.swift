import ArgumentParser
import Lifeboat
import LifeboatCore

/// `prune`: frees what no point needs.
struct PruneCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "prune",
        abstract: "Free what no point needs any more.",
        discussion: """
            Needs the password or key file of a keeper. Condemns what no point needs, and deletes \
            what an earlier run condemned, once all sessions know: so space comes back with the \
            second run. Backups may run meanwhile. What waits for whom is told; a session of a host \
            that is gone is ended with session fence.

            A pack that is partly needed can be written anew only with the recovery key. Without it, \
            prune tells what dead space is held.

            Example:

              lifeboat prune --dry-run
            """)

    @Option(
        name: .customLong("max-unused"),
        help: ArgumentHelp(
            "How much of what packs hold may be dead, in percent: 0 to 100.",
            valueName: "percent"))
    var maximumUnused = 5

    @Flag(
        name: .customLong("dry-run"),
        help: "Tell what would be condemned and deleted; change nothing.")
    var isDryRun = false

    @Option(
        name: .customLong("recovery-key-file"),
        help: ArgumentHelp(
            "The recovery key, besides the keeper's: packs that are partly dead are written anew.",
            valueName: "file"), completion: .file())
    var recoveryKeyFile: String?

    @OptionGroup var resources: ResourceOptions
    @OptionGroup var secret: SecretOptions
    @OptionGroup var repository: RepositoryOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard (0...100).contains(maximumUnused) else {
            throw ValidationError("--max-unused goes from 0 to 100")
        }
    }

    var options: PruneOptions {
        var options = PruneOptions()
        options.maximumUnused = maximumUnused
        options.isDryRun = isDryRun
        options.memory = resources.memory.bytes
        options.threads = resources.threads
        return options
    }

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        let operations = try run.operations(
            repository, secret, recoveryKeyFile: recoveryKeyFile)
        return Report(try operations.prune(options), isDryRun: isDryRun)
    }
}
