package import LifeboatCore
internal import LifeboatSystem

/// What has come from QEMU and who waits for what: the part of a QMP connection that knows no
/// socket.
package final class QMPWire: Sendable {
    /// A longer line is none of QEMU's.
    static let longestLine = 1 << 24
    /// Events that nobody has asked for are dropped beyond so many, the oldest first.
    static let mostEvents = 256

    private struct State {
        var line: [UInt8] = []
        var greeting: JSON?
        var next: Int64 = 1
        /// The commands that are waited for.
        var expected: Set<Int64> = []
        var replies: [Int64: JSON] = [:]
        var events: [QMPClient.Event] = []
        /// Why nothing more will come.
        var failure: LifeboatError?
        var hasShutDown = false
    }

    private let path: String
    private let condition = Condition()
    private let writing = Condition()
    private let state = Guarded(State())

    package init(path: String) { self.path = path }

    var isOpen: Bool { state.withLock { $0.failure == nil } }

    // MARK: what comes

    /// Takes bytes as they arrive; `false` when the connection is of no use any more.
    package func take(_ bytes: [UInt8]) -> Bool {
        condition.withLock {
            defer { condition.broadcast() }
            return state.withLock { state in
                var rest = bytes[...]
                while let newline = rest.firstIndex(of: UInt8(ascii: "\n")) {
                    state.line += rest[..<newline]
                    rest = rest[(newline + 1)...]
                    let line = state.line
                    state.line = []
                    guard Self.accept(line, path, &state) else { return false }
                }
                state.line += rest
                if state.line.count > Self.longestLine {
                    state.failure = Self.nonsense(path, "a line of more than 16 MiB")
                    return false
                }
                return true
            }
        }
    }

    /// The connection has ended.
    func end() {
        condition.withLock {
            state.withLock { state in
                guard state.failure == nil else { return }
                state.failure = LifeboatError(
                    .unavailable,
                    state.hasShutDown
                        ? "the machine was shut down, and QEMU ended"
                        : "QEMU closed its QMP socket, or ended", subject: path)
            }
            condition.broadcast()
        }
    }

    private static func accept(_ line: [UInt8], _ path: String, _ state: inout State) -> Bool {
        // QEMU ends lines with both.
        let text = line.last == UInt8(ascii: "\r") ? Array(line.dropLast()) : line
        if text.isEmpty { return true }
        guard line.count <= longestLine, let message = try? JSON(parsing: text, subject: path)
        else {
            state.failure = nonsense(
                path, String(decoding: text.prefix(60), as: UTF8.self))
            return false
        }
        if let name = message["event"]?.text {
            if name == "SHUTDOWN" { state.hasShutDown = true }
            state.events.append(.init(name: name, data: message["data"] ?? .object([:])))
            if state.events.count > mostEvents { state.events.removeFirst() }
        } else if let number = message["id"]?.integer {
            // What came too late is waited for by nobody.
            if state.expected.remove(number) != nil { state.replies[number] = message }
        } else if message["QMP"] != nil {
            state.greeting = message
        } else if state.greeting == nil {
            state.failure = nonsense(path, String(decoding: text.prefix(60), as: UTF8.self))
            return false
        }
        return true
    }

    private static func nonsense(_ path: String, _ words: String) -> LifeboatError {
        LifeboatError(
            .damaged, "\(path) does not speak QMP", subject: path, cause: words,
            advice: "name the socket of a monitor with mode=control")
    }

    // MARK: who waits

    func withWriting(_ body: () throws(LifeboatError) -> Void) throws(LifeboatError) {
        try writing.withLock(body)
    }

    /// Numbers for commands that are about to be sent.
    package func expect(_ count: Int) throws(LifeboatError) -> [Int64] {
        let numbers: [Int64]? = state.withLock { state in
            guard state.failure == nil else { return nil }
            let first = state.next
            state.next += Int64(count)
            let numbers = Array(first..<state.next)
            state.expected.formUnion(numbers)
            return numbers
        }
        guard let numbers else { throw vanished() }
        return numbers
    }

    func forget(_ numbers: [Int64]) {
        state.withLock { state in
            for number in numbers {
                state.expected.remove(number)
                state.replies[number] = nil
            }
        }
    }

    func vanished() -> LifeboatError {
        state.withLock { $0.failure }
            ?? LifeboatError(.unavailable, "QEMU closed its QMP socket", subject: path)
    }

    func greeting(deadline: Double) throws(LifeboatError) -> JSON {
        try wait(
            deadline: deadline, "QEMU does not greet at \(path)",
            advice: "a QMP socket serves one program at a time: give Lifeboat one of its own"
        ) { $0.greeting }
    }

    package func reply(
        _ number: Int64, to name: String, deadline: Double
    ) throws(LifeboatError) -> JSON {
        defer { forget([number]) }
        let reply = try wait(
            deadline: deadline, "QEMU has not answered \(name) in time", advice: nil
        ) { $0.replies[number] }
        if let value = reply["return"] { return value }
        let code: LifeboatError.Code =
            switch reply["error"]?["class"]?.text {
            case "CommandNotFound": .unsupported
            case "DeviceNotFound": .missing
            default: .denied
            }
        throw LifeboatError(
            code, "QEMU refuses \(name)", subject: path,
            cause: reply["error"]?["desc"]?.text ?? "it does not say why")
    }

    func event(
        deadline: Double, _ fits: (QMPClient.Event) -> Bool
    ) throws(LifeboatError) -> QMPClient.Event {
        try wait(
            deadline: deadline, "QEMU has not told in time of what was waited for", advice: nil
        ) { state in
            guard let index = state.events.firstIndex(where: fits) else { return nil }
            return state.events.remove(at: index)
        }
    }

    private func wait<Value: Sendable>(
        deadline: Double, _ message: String, advice: String?,
        _ take: (inout State) -> Value?
    ) throws(LifeboatError) -> Value {
        try condition.withLock { () throws(LifeboatError) -> Value in
            while true {
                if let value = state.withLock(take) { return value }
                if let failure = state.withLock({ $0.failure }) { throw failure }
                let left = deadline - Clock.monotonicSeconds()
                guard left > 0 else {
                    throw LifeboatError(.unavailable, message, subject: path, advice: advice)
                }
                _ = condition.wait(seconds: left)
            }
        }
    }
}
