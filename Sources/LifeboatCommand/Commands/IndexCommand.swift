import ArgumentParser
import Lifeboat
import LifeboatCore

/// `index`: upkeep of the index.
struct IndexCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "index", abstract: "Rebuild the index.",
        subcommands: [IndexRebuildCommand.self])
}

/// `index rebuild`: makes the index anew, from packs alone.
struct IndexRebuildCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "rebuild",
        abstract: "Make the index anew, from the packs alone.",
        discussion: """
            The index tells in which pack a chunk lies. It can be had again from the packs' own \
            directories; no data is read or changed.

            Example:

              lifeboat index rebuild
            """)

    @OptionGroup var secret: SecretOptions
    @OptionGroup var repository: RepositoryOptions
    @OptionGroup var output: OutputOptions

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        Report(try run.operations(repository, secret).rebuildIndex())
    }
}
