import ArgumentParser
import Lifeboat
import LifeboatCore

/// Which repository, and where this host remembers things about it.
struct RepositoryOptions: ParsableArguments {
    @Option(
        name: [.customShort("r"), .customLong("repo")],
        help: ArgumentHelp(
            """
            The repository: a directory, s3:https://HOST/BUCKET/PREFIX or \
            swift:CONTAINER/PREFIX. Or LIFEBOAT_REPO.
            """, valueName: "repo"),
        completion: .directory)
    var repository: String?

    @OptionGroup var state: StateOptions
    @OptionGroup var cache: CacheOptions
    @OptionGroup var network: TrafficOptions

    /// Whether a repository is named at all.
    func isNamed(_ environment: Environment) -> Bool {
        repository?.isEmpty == false || environment["LIFEBOAT_REPO"] != nil
    }

    /// The repository's place, from the option or the environment.
    func location(_ environment: Environment) throws(LifeboatError) -> String {
        let given = repository.flatMap { $0.isEmpty ? nil : $0 } ?? environment["LIFEBOAT_REPO"]
        guard let given else {
            throw LifeboatError(
                .usage, "no repository given", advice: "give --repo REPO or set LIFEBOAT_REPO")
        }
        try RepositoryAccess.check(location: given)
        return given
    }
}

/// Where this host remembers what it must keep.
struct StateOptions: ParsableArguments {
    @Option(
        name: .customLong("state-dir"),
        help: ArgumentHelp(
            """
            Where this host remembers what it stored, to be kept. Or LIFEBOAT_STATE_DIR; else \
            $XDG_STATE_HOME/lifeboat or ~/.local/state/lifeboat, for root /var/lib/lifeboat.
            """, valueName: "dir"), completion: .directory)
    var directory: String?
}

/// Where this host caches what it can fetch again.
struct CacheOptions: ParsableArguments {
    @Option(
        name: .customLong("cache-dir"),
        help: ArgumentHelp(
            """
            Where this host caches what it can fetch again. Or LIFEBOAT_CACHE_DIR; else \
            $XDG_CACHE_HOME/lifeboat or ~/.cache/lifeboat, for root /var/cache/lifeboat.
            """, valueName: "dir"), completion: .directory)
    var directory: String?
}
