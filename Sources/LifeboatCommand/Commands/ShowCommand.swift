import ArgumentParser
import Lifeboat
import LifeboatCore

/// `show`: describes one point.
struct ShowCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Describe one recovery point and its volumes.",
        discussion: """
            POINT is an id, the beginning of one that fits no other point, or latest. latest is \
            refused when points of several machines match.

            Example:

              lifeboat show latest --machine web
            """)

    @Argument(help: ArgumentHelp("An id, a unique prefix, or latest.", valueName: "point"))
    var point: String

    @OptionGroup var filter: FilterOptions
    @OptionGroup var recoveryKey: RecoveryKeyOptions
    @OptionGroup var secret: SecretOptions
    @OptionGroup var repository: RepositoryOptions
    @OptionGroup var output: OutputOptions

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        let operations = try run.operations(
            repository, secret, recoveryKeyFile: recoveryKey.file)
        return Report(point: try operations.show(point, filter: try filter.filter()))
    }
}
