import ArgumentParser
import Lifeboat
import LifeboatCore

/// `hold`: keeps points from being forgotten.
struct HoldCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "hold",
        abstract: "Put points on hold, so that nobody can forget them.",
        discussion: """
            Needs the password or key file of a keeper. A hold lasts until release ends it.

            Example:

              lifeboat hold 4f1c2a9b
            """)

    @Argument(help: ArgumentHelp("Ids, unique prefixes, or latest.", valueName: "point"))
    var points: [String]

    @OptionGroup var filter: FilterOptions
    @OptionGroup var secret: SecretOptions
    @OptionGroup var repository: RepositoryOptions
    @OptionGroup var output: OutputOptions

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        let filter = try filter.filter()
        return Report(
            changed: try run.operations(repository, secret).hold(points, filter: filter),
            "on hold")
    }
}

/// `release`: ends the hold on points.
struct ReleaseCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "release",
        abstract: "End the hold on points.",
        discussion: """
            Needs the password or key file of a keeper. The points stay until something forgets \
            them.

            Example:

              lifeboat release 4f1c2a9b
            """)

    @Argument(help: ArgumentHelp("Ids, unique prefixes, or latest.", valueName: "point"))
    var points: [String]

    @OptionGroup var filter: FilterOptions
    @OptionGroup var secret: SecretOptions
    @OptionGroup var repository: RepositoryOptions
    @OptionGroup var output: OutputOptions

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        let filter = try filter.filter()
        return Report(
            changed: try run.operations(repository, secret).release(points, filter: filter),
            "released")
    }
}
