public import LifeboatCore
internal import LifeboatSystem

/// A connection to QEMU's machine protocol (QMP).
///
/// Every call ends by its deadline, and at once when QEMU is gone. Safe from many threads.
public final class QMPClient: Sendable {
    /// Something that QEMU told of its own accord.
    public struct Event: Sendable, Equatable {
        public var name: String
        public var data: JSON

        public init(name: String, data: JSON) {
            self.name = name
            self.data = data
        }
    }

    /// A command with its arguments.
    public struct Command: Sendable {
        public var name: String
        public var arguments: [String: JSON]

        public init(_ name: String, _ arguments: [String: JSON] = [:]) {
            self.name = name
            self.arguments = arguments
        }
    }

    /// The version of QEMU as numbers, such as `[7, 2, 22]`.
    public let version: [Int]
    private let socket: QMPSocket
    private let wire: QMPWire
    private let reader: Threads.Handle

    /// Connects, and waits for QEMU's greeting.
    ///
    /// - Throws: `.unavailable` where nothing answers in time.
    public init(path: String, timeoutSeconds: Double = 10) throws(LifeboatError) {
        let deadline = Clock.monotonicSeconds() + timeoutSeconds
        let socket = try QMPSocket(path: path, timeoutSeconds: timeoutSeconds)
        let wire = QMPWire(path: path)
        self.socket = socket
        self.wire = wire
        reader = Threads.start(name: "qmp") {
            while true {
                let bytes = socket.receive()
                guard !bytes.isEmpty, wire.take(bytes) else { break }
            }
            wire.end()
            socket.shutdown()
        }
        do throws(LifeboatError) {
            let greeting = try wire.greeting(deadline: deadline)
            let numbers = greeting["QMP"]?["version"]?["qemu"]
            version = ["major", "minor", "micro"].map {
                Int(clamping: numbers?[$0]?.integer ?? 0)
            }
        } catch {
            socket.shutdown()
            reader.join()
            throw error
        }
        _ = try call(
            "qmp_capabilities", timeoutSeconds: deadline - Clock.monotonicSeconds())
    }

    deinit {
        socket.shutdown()
        reader.join()
    }

    /// The path of the socket.
    public var path: String { socket.path }
    /// The process at the other end, by what the system says.
    public var peerProcess: Int32? { socket.peerProcess }
    /// Whether QEMU is still there.
    public var isOpen: Bool { wire.isOpen }

    /// Whether QEMU holds the guest at a write or read that failed.
    var isStoppedByFailedWrite: Bool {
        (try? call("query-status"))?["status"]?.text == "io-error"
    }

    /// Gives the connection up; calls that wait end at once.
    public func close() { socket.shutdown() }

    /// Runs a command and returns what it returns.
    ///
    /// - Throws: `.unavailable` at the deadline and when QEMU is gone; `.missing` for a device or
    ///   node that there is not, `.unsupported` for a command, `.denied` for what else QEMU
    ///   refuses.
    @discardableResult
    public func call(
        _ name: String, _ arguments: [String: JSON] = [:], timeoutSeconds: Double = 30
    ) throws(LifeboatError) -> JSON {
        let deadline = Clock.monotonicSeconds() + timeoutSeconds
        let numbers = try send([Command(name, arguments)], deadline: deadline)
        return try wire.reply(numbers[0], to: name, deadline: deadline)
    }

    /// Hands QEMU several commands in one piece and waits for all replies.
    ///
    /// They are run one after the other whatever comes of each, and also if this process ends.
    public func callAll(
        _ commands: [Command], timeoutSeconds: Double
    ) throws(LifeboatError) -> [Result<JSON, LifeboatError>] {
        let deadline = Clock.monotonicSeconds() + timeoutSeconds
        let numbers = try send(commands, deadline: deadline)
        return zip(numbers, commands).map { number, command in
            do throws(LifeboatError) {
                return .success(try wire.reply(number, to: command.name, deadline: deadline))
            } catch {
                return .failure(error)
            }
        }
    }

    /// Takes the oldest kept event that fits, or waits for one.
    ///
    /// - Throws: `.unavailable` at the deadline and when QEMU is gone.
    public func waitForEvent(
        timeoutSeconds: Double, _ fits: (Event) -> Bool
    ) throws(LifeboatError) -> Event {
        try wire.event(deadline: Clock.monotonicSeconds() + timeoutSeconds, fits)
    }

    private func send(
        _ commands: [Command], deadline: Double
    ) throws(LifeboatError) -> [Int64] {
        let numbers = try wire.expect(commands.count)
        let lines = zip(numbers, commands).map { number, command in
            var message: [String: JSON] = [
                "execute": .string(command.name), "id": .integer(number),
            ]
            if !command.arguments.isEmpty { message["arguments"] = .object(command.arguments) }
            return JSON.object(message).serialized + "\n"
        }
        do throws(LifeboatError) {
            try wire.withWriting { () throws(LifeboatError) in
                try socket.send(Array(lines.joined().utf8), deadline: deadline)
            }
        } catch {
            // Half a line may have been written: no other can follow it.
            socket.shutdown()
            wire.forget(numbers)
            throw wire.isOpen ? error : wire.vanished()
        }
        return numbers
    }
}
