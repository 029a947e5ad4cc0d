import ArgumentParser
import Lifeboat
import LifeboatCore

/// `cache`: what this host keeps of repositories and could fetch again.
struct CacheCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cache", abstract: "List and clean this host's caches.",
        discussion: """
            A cache can be removed at any time: the next run fetches again what it needs.
            """,
        subcommands: [CacheListCommand.self, CacheCleanCommand.self])
}

/// `cache list`.
struct CacheListCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the caches, by repository.",
        discussion: """
            Example:

              lifeboat cache list
            """)

    @OptionGroup var cache: CacheOptions
    @OptionGroup var output: OutputOptions

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        let directory = try run.environment.cacheDirectory(option: cache.directory)
        return Report(
            caches: try Operations.caches(cacheDirectory: directory), key: "caches",
            none: "no caches in \(directory)")
    }
}

/// `cache clean`.
struct CacheCleanCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "clean", abstract: "Remove caches: all, or one repository's.",
        discussion: """
            Example:

              lifeboat cache clean
            """)

    @Argument(help: ArgumentHelp("Only this repository's cache.", valueName: "repository-id"))
    var repository: String?

    @OptionGroup var cache: CacheOptions
    @OptionGroup var output: OutputOptions

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        let directory = try run.environment.cacheDirectory(option: cache.directory)
        let removed = try Operations.cleanCaches(
            cacheDirectory: directory, repository: repository)
        return Report(caches: removed, key: "removed", none: "nothing to remove in \(directory)")
    }
}
