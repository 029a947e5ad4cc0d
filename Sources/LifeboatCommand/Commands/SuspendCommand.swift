import ArgumentParser
import Lifeboat
import LifeboatCore

/// `suspend`: keeps commands from using something that is known not to work.
struct SuspendCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "suspend", abstract: "Suspend a link, so that nothing uses it.",
        discussion: """
            A command that would use the link ends at once with exit code 15; one that runs, and \
            has the same state directory, ends at its next request. What it stored stays valid. \
            Backups go on where the link has a spool: see spool.

            Example:

              lifeboat suspend link:office
            """)

    @Argument(
        help: ArgumentHelp("What to suspend: NAME or link:NAME.", valueName: "name"))
    var name: String

    @OptionGroup var links: LinkOptions
    @OptionGroup var state: StateOptions
    @OptionGroup var output: OutputOptions

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        let target = try Suspendable(name)
        let directory = try run.environment.stateDirectory(option: state.directory)
        return Report(
            try Operations.suspend(target, run.network(links), stateDirectory: directory))
    }
}

/// `resume`: ends a suspension.
struct ResumeCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "resume", abstract: "Resume a link that was suspended.",
        discussion: """
            Commands may use the link again. Nothing is started anew; what waits in the link's \
            spool is told, and the next backup sends it.

            Example:

              lifeboat resume link:office
            """)

    @Argument(
        help: ArgumentHelp("What to resume: NAME or link:NAME.", valueName: "name"))
    var name: String

    @OptionGroup var links: LinkOptions
    @OptionGroup var state: StateOptions
    @OptionGroup var output: OutputOptions

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        let target = try Suspendable(name)
        let directory = try run.environment.stateDirectory(option: state.directory)
        return Report(
            try Operations.resume(target, run.network(links), stateDirectory: directory))
    }
}
