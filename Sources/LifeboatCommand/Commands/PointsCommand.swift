import ArgumentParser
import Lifeboat
import LifeboatCore

/// `points`: lists what can be restored.
struct PointsCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "points",
        abstract: "List recovery points, oldest first.",
        discussion: """
            Sizes are sums over a point's volumes: size is what the disks measure, new what the \
            point added before compression, stored what that takes in the repository. Verified \
            tells when a verification last covered the point, and how deeply. A point whose place \
            is local waits in this host's spool: it cannot be restored before it is sent.

            Example:

              lifeboat points --machine web
            """)

    @OptionGroup var filter: FilterOptions
    @OptionGroup var recoveryKey: RecoveryKeyOptions
    @OptionGroup var secret: SecretOptions
    @OptionGroup var spool: SpoolOptions
    @OptionGroup var repository: RepositoryOptions
    @OptionGroup var output: OutputOptions

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        let operations = try run.operations(
            repository, secret, recoveryKeyFile: recoveryKey.file, spool: spool)
        return Report(points: try operations.points(try filter.filter()))
    }
}
