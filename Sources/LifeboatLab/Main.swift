import ArgumentParser

/// The laboratory: measures the engine on volumes that are computed instead of stored.
@main
struct Laboratory: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lifeboat-lab",
        abstract: "Measure Lifeboat's engine on synthetic volumes of any size.",
        discussion: """
            Everything is made from a seed, in a new folder that is removed afterwards. Each \
            measured phase runs in a process of its own, so that its peak memory is its own.
            """,
        subcommands: [
            HintCommand.self, ScaleCommand.self, CollectCommand.self, YearCommand.self,
            ConformanceCommand.self, PhaseCommand.self,
        ])
}
