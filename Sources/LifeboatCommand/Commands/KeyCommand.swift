import ArgumentParser
import Lifeboat
import LifeboatCore

/// `key`: who may use the repository, and what opens it.
struct KeyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key",
        abstract: "Manage members, passwords, key files and the recovery key.",
        discussion: """
            A password or key file lets a host store, list and check. None of them can read data \
            back; that takes the recovery key, which also says who is a member.
            """,
        subcommands: [
            KeyAddCommand.self, KeyListCommand.self, KeyRemoveCommand.self, KeyEnrolCommand.self,
            KeyRevokeCommand.self, KeyRotateCommand.self, KeySplitCommand.self,
            KeyJoinCommand.self,
        ])
}

/// `key list`.
struct KeyListCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List members, passwords and key files.",
        discussion: """
            Example:

              lifeboat key list
            """)

    @OptionGroup var secret: SecretOptions
    @OptionGroup var recoveryKey: RecoveryKeyOptions
    @OptionGroup var repository: RepositoryOptions
    @OptionGroup var output: OutputOptions

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        Report(
            try run.operations(repository, secret, recoveryKeyFile: recoveryKey.file).keys())
    }
}

/// `key remove`.
struct KeyRemoveCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Remove a password or key file.",
        discussion: """
            Whoever used it before may have kept a copy of what it opened: removing it does not \
            take that back.

            Example:

              lifeboat key remove 9c0d
            """)

    @Argument(help: ArgumentHelp("An id of key list, or a unique prefix.", valueName: "id"))
    var id: String

    @OptionGroup var secret: SecretOptions
    @OptionGroup var repository: RepositoryOptions
    @OptionGroup var output: OutputOptions

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        Report(key: try run.operations(repository, secret).removeKey(id), "removed")
    }
}
