import ArgumentParser
import Lifeboat
import LifeboatCore

/// `spool`: points that wait on this host until the store can be reached.
struct SpoolCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "spool",
        abstract: "Look after points that wait until the store can be reached.",
        discussion: """
            While the link to a repository is suspended, backups go to the spool that the file of \
            links describes: a directory on this host. The next backup that reaches the store, or \
            spool send, sends what waits. Nothing is sent twice.

            A point that waits is no protection against the loss of this host.
            """,
        subcommands: [
            SpoolListCommand.self, SpoolSendCommand.self, SpoolDropCommand.self,
        ])
}

/// `spool list`.
struct SpoolListCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the points that wait.",
        discussion: """
            Needs no key. What the points are of, points tells.

            Example:

              lifeboat spool list
            """)

    @OptionGroup var spool: SpoolOptions
    @OptionGroup var repository: RepositoryOptions
    @OptionGroup var output: OutputOptions

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        Report(
            spool: try run.operations(repository, secret: .none, spool: spool).spooledPoints())
    }
}

/// `spool send`.
struct SpoolSendCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "send", abstract: "Send the points that wait.",
        discussion: """
            Each point is sent as it is, in the order in which the points were made, and gets its \
            place in the repository and another id. It can be interrupted at any time; the next run \
            goes on.

            A point whose base is not in the repository any more cannot be sent: exit code 21. It \
            stays until it is dropped; the next backup makes a whole point.

            Example:

              lifeboat spool send
            """)

    @OptionGroup var secret: SecretOptions
    @OptionGroup var spool: SpoolOptions
    @OptionGroup var repository: RepositoryOptions
    @OptionGroup var output: OutputOptions

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        // While the link is suspended nothing can be sent: that ends it before a key is asked for.
        try run.check(repository)
        return Report(
            sent: try run.operations(repository, secret, spool: spool).sendSpool())
    }
}

/// `spool drop`.
struct SpoolDropCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "drop", abstract: "Give up points that wait.",
        discussion: """
            Later points may rely on a dropped one, so they are dropped too. Needs no key.

            Examples:

              lifeboat spool drop 4f1c0a7e
              lifeboat spool drop --all
            """)

    @Argument(help: "A waiting point: its id, or the beginning of it.")
    var point: String?

    @Flag(help: "Give up all of them.")
    var all = false

    @OptionGroup var spool: SpoolOptions
    @OptionGroup var repository: RepositoryOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard all == (point == nil) else { throw ValidationError("name a point, or give --all") }
    }

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        let operations = try run.operations(repository, secret: .none, spool: spool)
        return Report(dropped: try operations.dropSpool(point))
    }
}
