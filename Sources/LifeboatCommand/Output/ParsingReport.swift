import ArgumentParser
import LifeboatCore

/// What ends a run before it began: a wrong command line, or a wish for help or the version.
struct ParsingReport {
    private let error: any Error
    private let usesJSON: Bool

    init(_ error: any Error, arguments: [String]) {
        self.error = error
        usesJSON = Self.asksForJSON(arguments)
    }

    /// True when `--json` stands before any `--`.
    static func asksForJSON(_ arguments: [String]) -> Bool {
        arguments.prefix { $0 != "--" }.contains("--json")
    }

    /// The error that a wrong command line amounts to; `nil` for help and version.
    var failure: LifeboatError? {
        guard RootCommand.exitCode(for: error) != .success else { return nil }
        return LifeboatError(
            .usage, RootCommand.message(for: error), advice: "see lifeboat --help")
    }

    func tell() -> ExitStatus {
        let text = RootCommand.fullMessage(for: error)
        guard let failure else {
            StandardStream.output.write(text + "\n")
            return .success
        }
        if usesJSON { StandardStream.output.write(ErrorReport(failure).json.text + "\n") }
        StandardStream.error.write(text + "\n")
        return .usage
    }
}
