import ArgumentParser
import Lifeboat
import LifeboatCore

/// `stats`: tells what is stored, and for whom.
struct StatsCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "stats",
        abstract: "Tell what is stored, and for which machine.",
        discussion: """
            Per machine: its points, the size of its newest point, and what all its points added, \
            before (new) and after compression (stored). Then the objects of the repository and \
            their bytes.

            Example:

              lifeboat stats --json
            """)

    @OptionGroup var recoveryKey: RecoveryKeyOptions
    @OptionGroup var secret: SecretOptions
    @OptionGroup var repository: RepositoryOptions
    @OptionGroup var output: OutputOptions

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        let operations = try run.operations(
            repository, secret, recoveryKeyFile: recoveryKey.file)
        return Report(try operations.statistics())
    }
}
