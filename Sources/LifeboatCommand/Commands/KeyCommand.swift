import ArgumentParser
import Lifeboat
import LifeboatCore

/// `key`: passwords and key files that open the repository.
struct KeyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key",
        abstract: "Add, list and remove passwords and key files.",
        discussion: """
            A password or key file lets a host store, list and check. None of them can read data \
            back; that takes the recovery key.
            """,
        subcommands: [
            KeyAddCommand.self, KeyListCommand.self, KeyRemoveCommand.self, KeySplitCommand.self,
            KeyJoinCommand.self,
        ])
}

/// `key list`.
struct KeyListCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List passwords and key files.",
        discussion: """
            Example:

              lifeboat key list
            """)

    @OptionGroup var secret: SecretOptions
    @OptionGroup var repository: RepositoryOptions
    @OptionGroup var output: OutputOptions

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        Report(keys: try run.operations(repository, secret).keys())
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
