import ArgumentParser

/// How a command tells what it does.
struct OutputOptions: ParsableArguments {
    enum ProgressChoice: String, ExpressibleByArgument, CaseIterable, Sendable {
        case auto, json, none
    }

    @Flag(help: "Print the result, or the error, as one JSON object on one line.")
    var json = false

    @Flag(name: [.short, .long], help: "Show errors only: no warnings, no progress.")
    var quiet = false

    @Flag(name: [.short, .long], help: "Say more about what happens.")
    var verbose = false

    @Option(
        help: ArgumentHelp(
            """
            Progress on standard error: a line that is redrawn when that is a terminal (auto), \
            JSON lines (json), or nothing (none).
            """, valueName: "style"))
    var progress = ProgressChoice.auto

    func validate() throws {
        if quiet, verbose { throw ValidationError("--quiet and --verbose exclude each other") }
    }
}
