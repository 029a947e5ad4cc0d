import ArgumentParser
import Lifeboat
import LifeboatCore

/// `pull`: takes over points of another repository.
struct PullCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "pull",
        abstract: "Take over points of a repository with other keys.",
        discussion: """
            Reads points of the other repository with its recovery key, and stores them here as a \
            writer: sealed with this repository's keys, deduplicated against what is here. Machine, \
            volumes, times, consistency and tags stay; the tag "origin" tells the other repository \
            and the point's id there. A point that is here already is left out; one whose parent \
            is here costs as much as differs.

            Copies with the same keys are made with replica, and need no key.

            Examples:

              lifeboat pull /mnt/old/repository --all --from-recovery-key-file old.key
              lifeboat pull /mnt/old/repository latest --machine web --from-recovery-key-file old.key
            """)

    @Argument(help: "The other repository: a directory.", completion: .directory)
    var source: String

    @Argument(help: "Points there: ids, unique prefixes, or latest.")
    var points: [String] = []

    @Flag(help: "All points, or all that --machine, --host and --tag let pass.")
    var all = false

    @Option(
        name: .customLong("from-recovery-key-file"),
        help: ArgumentHelp("The other repository's recovery key.", valueName: "file"),
        completion: .file())
    var recoveryKeyFile: String

    @OptionGroup var filter: FilterOptions
    @OptionGroup var resources: ResourceOptions
    @OptionGroup var secret: SecretOptions
    @OptionGroup var repository: RepositoryOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if points.isEmpty != all { throw ValidationError("give either points or --all") }
    }

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        var options = PullOptions(source: source, recoveryKeyFile: recoveryKeyFile)
        options.points = points
        options.filter = try filter.filter()
        options.memory = resources.memory.bytes
        options.threads = resources.threads
        return Report(try run.operations(repository, secret).pull(options))
    }
}
