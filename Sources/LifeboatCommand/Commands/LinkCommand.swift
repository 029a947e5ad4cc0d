import ArgumentParser
import Lifeboat
import LifeboatCore

/// `link`: this host's ways to stores.
struct LinkCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "link", abstract: "List this host's links, and limit them.",
        discussion: """
            A link is a way to stores with limits of its own. Links are described in a file.
            """,
        subcommands: [LinkListCommand.self, LinkLimitCommand.self])
}

/// `link list`.
struct LinkListCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the links, and the limits of now.",
        discussion: """
            Shows what may be sent and received now, until when, and whether a link is suspended.

            Example:

              lifeboat link list
            """)

    @OptionGroup var links: LinkOptions
    @OptionGroup var state: StateOptions
    @OptionGroup var output: OutputOptions

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        let directory = try run.environment.stateDirectory(option: state.directory)
        return Report(links: try Operations.links(run.network(links), stateDirectory: directory))
    }
}

/// `link limit`.
struct LinkLimitCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "limit", abstract: "Set what a link may carry, also for running commands.",
        discussion: """
            What is set holds instead of the limit and the windows of the file, until it is \
            cleared. Running commands with the same state directory follow within seconds.

            Example:

              lifeboat link limit office --upload 5MB/s
            """)

    @Argument(help: ArgumentHelp("The link's name.", valueName: "link"))
    var name: String

    @Option(help: ArgumentHelp("Send at most this; none for no limit.", valueName: "rate"))
    var upload: TrafficRateArgument?

    @Option(help: ArgumentHelp("Receive at most this; none for no limit.", valueName: "rate"))
    var download: TrafficRateArgument?

    @Flag(help: "Let hold again what the file says.")
    var clear = false

    @OptionGroup var links: LinkOptions
    @OptionGroup var state: StateOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard clear != (upload != nil || download != nil) else {
            throw ValidationError("give --upload, --download or both; or --clear alone")
        }
    }

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        let directory = try run.environment.stateDirectory(option: state.directory)
        let network = run.network(links)
        let link =
            clear
            ? try Operations.clearLinkLimit(name, network, stateDirectory: directory)
            : try Operations.limitLink(
                name, upload: upload?.rate, download: download?.rate, network,
                stateDirectory: directory)
        return Report(links: [link])
    }
}
