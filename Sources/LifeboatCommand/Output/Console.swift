import Foundation
import LifeboatCore
import LifeboatSystem

/// All that a run says: results on standard output, everything else on standard error.
///
/// Progress is drawn on a terminal only, and erased before anything else is written.
final class Console: EventSink {
    enum ProgressStyle: Sendable {
        case none, terminal, json
    }

    let isQuiet: Bool
    let isVerbose: Bool
    let usesJSON: Bool
    let progress: ProgressStyle
    private let state = Guarded(State())

    private struct State: Sendable {
        var meter = ProgressMeter()
        var isDrawn = false
    }

    init(_ options: OutputOptions, environment: Environment) {
        isQuiet = options.quiet
        isVerbose = options.verbose
        usesJSON = options.json
        let isScreen = StandardStream.error.isTerminal && environment["TERM"] != "dumb"
        progress =
            switch options.progress {
            case .none: .none
            case .json: .json
            case .auto: isScreen && !options.quiet ? .terminal : .none
            }
    }

    func tell(_ event: Event) {
        switch event {
        case .started(let stage, let total):
            state.withLock { $0.meter.start(stage, total: total, now: Self.now) }
            say(json: ["event": "started", "stage": .string(stage), "total": JSONValue(total)])
        case .progress(let stage, let done, let total):
            guard progress != .none else { return }
            state.withLock { state in
                if state.meter.advance(stage, done: done, total: total, now: Self.now) {
                    show(&state)
                }
            }
        case .finished(let stage):
            finish()
            say(json: ["event": "finished", "stage": .string(stage)])
        case .warning(let message):
            warn(message)
        case .note(let message):
            guard isVerbose, !isQuiet else { return }
            say(text: "lifeboat: \(message)", json: ["event": "note", "message": .string(message)])
        }
    }

    /// Something the user must know, though the work goes on.
    func warn(_ message: String) {
        guard !isQuiet else { return }
        say(
            text: "lifeboat: warning: \(message)",
            json: ["event": "warning", "message": .string(message)])
    }

    /// Erases the progress line.
    func finish() {
        state.withLock { erase(&$0) }
    }

    /// Writes the result; false when that is not possible.
    func write(_ report: Report) -> Bool {
        finish()
        if report.isSilent { return true }
        let stream: StandardStream = report.usesStandardError ? .error : .output
        if usesJSON { return stream.write(report.json.text + "\n") }
        let text = report.lines.map { SafeText.line($0) + "\n" }.joined()
        if report.usesStandardError, isQuiet { return true }
        return stream.write(text)
    }

    /// Tells why the run failed: for people on standard error, with `--json` also as the one
    /// object on standard output, unless that carries data.
    func fail(_ error: LifeboatError, usesStandardError: Bool) {
        finish()
        let report = ErrorReport(error)
        if usesJSON {
            (usesStandardError ? StandardStream.error : .output).write(report.json.text + "\n")
            if usesStandardError { return }
        }
        if progress == .json {
            StandardStream.error.write(report.event.text + "\n")
        } else {
            StandardStream.error.write(report.text)
        }
    }

    private func say(text: String? = nil, json: JSONValue) {
        state.withLock { state in
            erase(&state)
            if progress == .json {
                StandardStream.error.write(json.text + "\n")
            } else if let text {
                StandardStream.error.write(SafeText.line(text) + "\n")
            }
        }
    }

    private func show(_ state: inout State) {
        if progress == .json {
            StandardStream.error.write(state.meter.json.text + "\n")
        } else {
            let line = state.meter.line(width: StandardStream.error.width)
            StandardStream.error.write("\r\(line)\u{1B}[K")
            state.isDrawn = true
        }
    }

    private func erase(_ state: inout State) {
        guard state.isDrawn else { return }
        StandardStream.error.write("\r\u{1B}[K")
        state.isDrawn = false
    }

    private static var now: Double { ProcessInfo.processInfo.systemUptime }
}
