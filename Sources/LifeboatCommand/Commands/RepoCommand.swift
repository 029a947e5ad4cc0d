import ArgumentParser
import Lifeboat
import LifeboatCore

/// `repo`: what a repository is, and where it stands.
struct RepoCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "repo",
        abstract: "Tell what the repository is and where it stands.",
        subcommands: [RepoInfoCommand.self, RepoHeadCommand.self])
}

/// `repo info`.
struct RepoInfoCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "info", abstract: "Describe the repository.",
        discussion: """
            Members, points, packs and objects are those of the logs; stats counts what is in the \
            store.

            What a repository's object store can be relied on for is asked once a week, at the first \
            thing stored; --probe asks now. That puts some small objects, and deletes them.

            Example:

              lifeboat repo info
            """)

    @Flag(help: "Ask the store anew what it can be relied on for.")
    var probe = false

    @OptionGroup var recoveryKey: RecoveryKeyOptions
    @OptionGroup var secret: SecretOptions
    @OptionGroup var repository: RepositoryOptions
    @OptionGroup var output: OutputOptions

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        let operations = try run.operations(
            repository, secret, recoveryKeyFile: recoveryKey.file)
        return Report(try operations.information(probes: probe))
    }
}

/// `repo head`.
struct RepoHeadCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "head", abstract: "Print a code of where the repository stands.",
        discussion: """
            Keep the code away from the repository, on paper or in another system. Later, --expect \
            compares: whoever set the repository back meanwhile or removed points is found out \
            (exit code 20), even if it was the owner of the store. A host notices this by itself for \
            what it has seen; the code is for those who start with nothing.

            Example:

              lifeboat repo head --expect LB1-37420-...
            """)

    @Option(
        help: ArgumentHelp(
            "An earlier code: fail unless this is a later state of the same repository.",
            valueName: "code"))
    var expect: String?

    @OptionGroup var recoveryKey: RecoveryKeyOptions
    @OptionGroup var secret: SecretOptions
    @OptionGroup var repository: RepositoryOptions
    @OptionGroup var output: OutputOptions

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        let operations = try run.operations(
            repository, secret, recoveryKeyFile: recoveryKey.file)
        return Report(try operations.headCode(expected: expect))
    }
}
