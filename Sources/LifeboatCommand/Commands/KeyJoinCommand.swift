import ArgumentParser
import Lifeboat
import LifeboatCore

/// `key join`: the recovery key out of its parts.
struct KeyJoinCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "join", abstract: "Make the recovery key of its parts.",
        discussion: """
            Reads the parts that key split wrote, or that were typed or scanned from their pages, \
            a file each, in any order, and writes the recovery key to a new file of mode 0600. It \
            needs no repository.

            Example:

              lifeboat key join part-1.txt part-3.txt part-4.txt --recovery-key-file recovery.key
            """)

    @Argument(
        help: ArgumentHelp("The files of as many parts as are needed.", valueName: "part"),
        completion: .file())
    var parts: [String]

    @Option(
        name: .customLong("recovery-key-file"),
        help: ArgumentHelp("A new file for the recovery key.", valueName: "file"),
        completion: .file())
    var recoveryKeyFile: String

    @OptionGroup var output: OutputOptions

    func validate() throws {
        if recoveryKeyFile.isEmpty || recoveryKeyFile == "-" {
            throw ValidationError("--recovery-key-file must name a file")
        }
    }

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        Report(
            join: try Operations.joinRecoveryKey(parts: parts, recoveryKeyFile: recoveryKeyFile))
    }
}
