import ArgumentParser
import Lifeboat
import LifeboatCore

/// `tag`: changes the tags of points.
struct TagCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "tag",
        abstract: "Change the tags of points.",
        discussion: """
            Needs the password or key file of a keeper, or of the host that made the points. When \
            one of the points is another host's, nothing is changed, and the exit code is 21.

            Example:

              lifeboat tag latest --machine web --set release=2.4 --unset trial
            """)

    @Argument(help: ArgumentHelp("Ids, unique prefixes, or latest.", valueName: "point"))
    var points: [String]

    @Option(
        name: .customLong("set"),
        help: ArgumentHelp("Give this tag; may be repeated.", valueName: "key=value"))
    var set: [String] = []

    @Option(
        name: .customLong("unset"),
        help: ArgumentHelp("Take this tag away; may be repeated.", valueName: "key"))
    var unset: [String] = []

    @OptionGroup var filter: FilterOptions
    @OptionGroup var secret: SecretOptions
    @OptionGroup var repository: RepositoryOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if set.isEmpty, unset.isEmpty { throw ValidationError("give --set or --unset") }
        let tags = try usageChecked { () throws(LifeboatError) in
            try NamePairs.tags(set, option: "--set")
        }
        for key in unset where key.isEmpty || tags[key] != nil {
            throw ValidationError(
                key.isEmpty ? "--unset needs a key" : "\(key) is given to --set and to --unset")
        }
    }

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        let tags = try NamePairs.tags(set, option: "--set")
        let filter = try filter.filter()
        return Report(
            tagged: try run.operations(repository, secret).tag(
                points, set: tags, unset: unset, filter: filter))
    }
}
