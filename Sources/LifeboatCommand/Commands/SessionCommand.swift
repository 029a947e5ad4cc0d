import ArgumentParser
import Lifeboat
import LifeboatCore

/// `session`: who is at work in the repository, and who died at it.
struct SessionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "session",
        abstract: "List open sessions, and end those of hosts that are gone.",
        discussion: """
            A backup opens a session, and closes it with its point. What a run leaves open that was \
            killed, the next backup of that host closes. prune waits for sessions that may rely on \
            what it wants to delete.
            """,
        subcommands: [SessionListCommand.self, SessionFenceCommand.self])
}

/// `session list`.
struct SessionListCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List open sessions, oldest first.",
        discussion: """
            Tells of each the log that it belongs to, since when it is open by its host's clock, and \
            what waits for it: condemned objects that are not deleted, and forgotten points whose \
            data is kept, before it is over.

            Example:

              lifeboat session list
            """)

    @Flag(help: "List also sessions of logs that were fenced, for which nobody waits.")
    var all = false

    @OptionGroup var recoveryKey: RecoveryKeyOptions
    @OptionGroup var secret: SecretOptions
    @OptionGroup var repository: RepositoryOptions
    @OptionGroup var output: OutputOptions

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        let operations = try run.operations(
            repository, secret, recoveryKeyFile: recoveryKey.file)
        return Report(sessions: try operations.sessions(all: all))
    }
}

/// `session fence`.
struct SessionFenceCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "fence", abstract: "End the sessions of hosts that are gone.",
        discussion: """
            Needs the password or key file of a keeper. Ends the log of a session, or all logs of a \
            writer: what the host was storing becomes no point, and nothing waits for it any more. \
            All its points until now stay.

            A host that was at work after all loses only that one run, which ends with an error; \
            its next one begins a new log. The log of a keeper cannot be fenced: see key revoke.

            Example:

              lifeboat session fence --all-older-than 7d
            """)

    @Argument(
        help: ArgumentHelp(
            "Ids of sessions, logs or writers, or unique prefixes.", valueName: "id"))
    var ids: [String] = []

    @Option(
        name: .customLong("all-older-than"),
        help: ArgumentHelp(
            "All that have been open for longer, such as 12h or 7d, by their hosts' clocks.",
            valueName: "duration"))
    var age: DurationArgument?

    @OptionGroup var secret: SecretOptions
    @OptionGroup var repository: RepositoryOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if ids.isEmpty == (age == nil) {
            throw ValidationError("give either ids or --all-older-than")
        }
    }

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        let selection = age.map { FenceSelection.olderThan($0.milliseconds) } ?? .named(ids)
        return Report(fenced: try run.operations(repository, secret).fence(selection))
    }
}
