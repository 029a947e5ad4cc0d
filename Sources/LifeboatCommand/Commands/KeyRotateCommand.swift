import ArgumentParser
import Lifeboat
import LifeboatCore

/// `key rotate`: another recovery key.
struct KeyRotateCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "rotate", abstract: "Replace the recovery key by a new one.",
        discussion: """
            Writes a new recovery key to a new file, and next to it a page to print, as init does. \
            The new key reads everything; the old one opens nothing any more here. Hosts go on \
            with their passwords and key files.

            It does not take back what is lost already: whoever has the old key and a copy of the \
            repository can read all that was stored until now.

            Example:

              lifeboat key rotate --recovery-key-file old.key --new-recovery-key-file new.key
            """)

    @Option(
        name: .customLong("recovery-key-file"),
        help: ArgumentHelp("The recovery key in force.", valueName: "file"), completion: .file())
    var recoveryKeyFile: String

    @Option(
        name: .customLong("new-recovery-key-file"),
        help: ArgumentHelp("A new file for the new recovery key.", valueName: "file"),
        completion: .file())
    var newRecoveryKeyFile: String

    @OptionGroup var repository: RepositoryOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if newRecoveryKeyFile.isEmpty || newRecoveryKeyFile == "-" {
            throw ValidationError("--new-recovery-key-file must name a file")
        }
    }

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        let operations = try run.operations(repository, secret: .recoveryKey(recoveryKeyFile))
        let path = newRecoveryKeyFile + ".html"
        if LocalFile.exists(path), !LocalFile.exists(newRecoveryKeyFile) {
            throw LifeboatError(
                .exists, "\(path) exists already and is not overwritten", subject: path,
                advice: "name another file, or move this one away")
        }
        var page: String?
        let result = try operations.rotate(to: newRecoveryKeyFile) { made throws(LifeboatError) in
            page = RecoveryPage(made, time: RecoveryPage.now).write(path, run.console)
        }
        return Report(result, page: page)
    }
}
