import ArgumentParser
import Lifeboat
import LifeboatCore

/// `prune`: frees what no point needs.
struct PruneCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "prune",
        abstract: "Free what no point needs any more.",
        discussion: """
            Needs the password or key file of a keeper. One step of collection, to be run as often \
            as one likes: condemns what no point needs, and deletes it at once if no session is \
            open that may rely on it, else in a later run. Backups may run meanwhile. It says whom \
            it waits for; a session of a host that is gone is ended with session fence. Small packs \
            and index runs are merged, and the logs are summed up.

            Without the recovery key, packs that are partly needed are written anew frame by frame, \
            and it tells what dead space remains inside frames; with it, that is freed too.

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

    @Flag(
        name: .customLong("extend-locks"),
        help: "In an immutable repository, lock what points need anew: see lock extend.")
    var extendsLocks = false

    @Option(
        name: .customLong("recovery-key-file"),
        help: ArgumentHelp(
            "The recovery key, besides the keeper's: packs that are partly dead are written anew.",
            valueName: "file"), completion: .file())
    var recoveryKeyFile: String?

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
        options.extendsLocks = extendsLocks
        return options
    }

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        let operations = try run.operations(
            repository, secret, recoveryKeyFile: recoveryKeyFile)
        return Report(try operations.prune(options), isDryRun: isDryRun)
    }
}
