import ArgumentParser
import Lifeboat
import LifeboatCore

/// `diff`: tells which extents differ between two points.
struct DiffCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "diff",
        abstract: "Tell what changed between two recovery points.",
        discussion: """
            Lists changed extents of each volume in bytes: offset and length. It compares block \
            maps, not data, so it costs as much as what changed, however large the volumes are. \
            An extent is as coarse as the repository's chunks.

            Example:

              lifeboat diff 4f1c2a latest --machine web --extents 100
            """)

    @Argument(help: ArgumentHelp("The older point: an id, a unique prefix, or latest."))
    var old: String

    @Argument(help: ArgumentHelp("The newer point: an id, a unique prefix, or latest."))
    var new: String

    @Option(help: ArgumentHelp("List at most this many extents a volume.", valueName: "count"))
    var extents = 20

    @OptionGroup var filter: FilterOptions
    @OptionGroup var recoveryKey: RecoveryKeyOptions
    @OptionGroup var secret: SecretOptions
    @OptionGroup var repository: RepositoryOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if extents < 0 { throw ValidationError("--extents must not be negative") }
    }

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        let operations = try run.operations(
            repository, secret, recoveryKeyFile: recoveryKey.file)
        return Report(
            differences: try operations.difference(
                old, new, filter: try filter.filter(), extentLimit: extents))
    }
}
