import ArgumentParser
import Lifeboat
import LifeboatCore

/// `key add`: another password or key file that opens the repository.
struct KeyAddCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Add a password or a key file.",
        discussion: """
            The repository is opened with a secret that it knows already; the new one is asked \
            for on the terminal, twice, unless an option says where it is.

            Example:

              lifeboat key add --label backup-job --new-key-file /etc/lifeboat/key
            """)

    @Option(
        name: .customLong("new-password-file"),
        help: ArgumentHelp(
            "The new password is the first line of this file.", valueName: "file"),
        completion: .file())
    var newPasswordFile: String?

    @Option(
        name: .customLong("new-password-command"),
        help: ArgumentHelp(
            "The new password is the first line that this shell command prints.",
            valueName: "command"))
    var newPasswordCommand: String?

    @Option(
        name: .customLong("new-key-file"),
        help: ArgumentHelp(
            "Write a new key file, of mode 0600 and never over an existing file.",
            valueName: "file"), completion: .file())
    var newKeyFile: String?

    @Option(help: ArgumentHelp("What key list shows for it.", valueName: "text"))
    var label = ""

    @OptionGroup var secret: SecretOptions
    @OptionGroup var repository: RepositoryOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if [newPasswordFile, newPasswordCommand, newKeyFile].count(where: { $0 != nil }) > 1 {
            throw ValidationError(
                "give one of --new-password-file, --new-password-command and --new-key-file")
        }
    }

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        let operations = try run.operations(repository, secret)
        if let newKeyFile {
            return Report(key: try operations.addKeyFile(newKeyFile, label: label), "added")
        }
        let password = try source.newPassword(run)
        return Report(key: try operations.addPassword(password, label: label), "added")
    }

    private var source: SecretSource {
        if let newPasswordFile { return .passwordFile(newPasswordFile) }
        if let newPasswordCommand { return .passwordCommand(newPasswordCommand) }
        return .terminal
    }
}
