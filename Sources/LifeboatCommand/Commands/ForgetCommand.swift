import ArgumentParser
import Lifeboat
import LifeboatCore

/// `forget`: lets go of points, by name or by a policy.
struct ForgetCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "forget",
        abstract: "Forget recovery points, named or by a policy.",
        discussion: """
            Needs the password or key file of a keeper. Forgotten points are gone from every list \
            at once; prune frees what only they needed.

            A policy counts the points of each machine, and of those with a tag named group the \
            points of each value of it apart. A point is kept when any --keep option keeps it. Its \
            time is what the host says, within the bounds of what keepers saw.

            Never forgotten are: the newest point of a machine, and where that is not good (its \
            consistency is none, or it has warnings) the newest that is; points on hold; and points \
            younger than the repository's minimum age, which counts from when a keeper first saw \
            the point: each run of forget looks. When a point that is named \
            must stay, nothing is forgotten, and the exit code is 21.

            Example:

              lifeboat forget --keep-daily 7 --keep-weekly 5 --keep-monthly 12 --dry-run
            """)

    @Argument(help: ArgumentHelp("Ids, unique prefixes, or latest.", valueName: "point"))
    var points: [String] = []

    @OptionGroup var policy: PolicyOptions
    @OptionGroup var filter: FilterOptions

    @Flag(
        name: .customLong("dry-run"),
        help: "Tell what would be kept and forgotten, and why; forget nothing.")
    var isDryRun = false

    @OptionGroup var secret: SecretOptions
    @OptionGroup var repository: RepositoryOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if points.isEmpty == (policy.policy == nil) {
            throw ValidationError("give either points or --keep options")
        }
    }

    func options() throws(LifeboatError) -> ForgetOptions {
        let selection: ForgetSelection
        if let policy = policy.policy {
            selection = .policy(policy, try self.policy.grouping)
        } else {
            selection = .points(points)
        }
        var options = ForgetOptions(selection)
        options.filter = try filter.filter()
        options.isDryRun = isDryRun
        return options
    }

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        let options = try options()
        return Report(
            try run.operations(repository, secret).forget(options), isDryRun: isDryRun)
    }
}
