import ArgumentParser
import Lifeboat

/// A span of the calendar on the command line: `30d`, `12h`, `1y6m`.
struct RetentionSpanArgument: ExpressibleByArgument, Equatable, Sendable {
    var span: RetentionSpan

    init?(argument: String) {
        guard let span = RetentionSpan(argument) else { return nil }
        self.span = span
    }
}
