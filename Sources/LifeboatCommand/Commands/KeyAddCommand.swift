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

    @OptionGroup var newSecret: NewSecretOptions

    @Option(help: ArgumentHelp("What key list shows for it.", valueName: "text"))
    var label = ""

    @OptionGroup var secret: SecretOptions
    @OptionGroup var repository: RepositoryOptions
    @OptionGroup var output: OutputOptions

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        let operations = try run.operations(repository, secret)
        switch try newSecret.secret(run) {
        case .keyFile(let path):
            return Report(key: try operations.addKeyFile(path, label: label), "added")
        case .password(let password):
            return Report(key: try operations.addPassword(password, label: label), "added")
        case .none, .recoveryKey:
            throw LifeboatError(.internalFault, "a new secret is neither password nor key file")
        }
    }
}
