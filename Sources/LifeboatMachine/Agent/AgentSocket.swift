public import LifeboatCore
import LifeboatSystem

/// The guest agent behind a UNIX socket of the host.
///
/// Each command has a connection of its own, so that another process can reach the agent between
/// two commands, and begins by putting itself in step with the agent: replies to what timed out
/// earlier are skipped until the agent answers with this command's random number.
public final class AgentSocket: AgentChannel, Quiescer {
    private let path: String
    private let condition = Condition()
    private let isBusy = Guarded(false)

    public init(path: String) { self.path = path }

    public func command(_ command: JSON, timeoutSeconds: Double) throws(LifeboatError) -> JSON {
        let deadline = Deadline(seconds: timeoutSeconds)
        try takeTurn(deadline)
        defer {
            condition.withLock {
                isBusy.withLock { $0 = false }
                condition.signal()
            }
        }
        var connection = try AgentConnection(path: path, deadline: deadline)
        try synchronise(&connection)
        try connection.send(Array(command.serialized.utf8) + [0x0A])
        let reply = try JSON(parsing: try connection.line(), subject: path)
        guard case .object = reply else {
            throw LifeboatError(.damaged, "the guest's agent gives no answer", subject: path)
        }
        return reply
    }

    private func takeTurn(_ deadline: Deadline) throws(LifeboatError) {
        let hasTurn = condition.withLock {
            while isBusy.withLock({ $0 }) {
                guard !deadline.hasPassed else { return false }
                _ = condition.wait(seconds: deadline.seconds)
            }
            isBusy.withLock { $0 = true }
            return true
        }
        guard hasTurn else {
            throw LifeboatError(
                .unavailable, "the guest's agent is busy with another command", subject: path)
        }
    }

    /// The byte 0xFF ends whatever half a command the agent has read; before its own answer the
    /// agent sends one too.
    private func synchronise(_ connection: inout AgentConnection) throws(LifeboatError) {
        // JSON numbers lose digits in some implementations above 2^53.
        let number = Int64.random(in: 1..<1 << 52)
        let command: JSON = [
            "execute": "guest-sync-delimited", "arguments": ["id": .integer(number)],
        ]
        try connection.send([0xFF] + Array(command.serialized.utf8) + [0x0A])
        while true {
            let line = try connection.line()
            let start = line.lastIndex(of: 0xFF).map { $0 + 1 } ?? 0
            // Whatever else comes is late or was never meant for us.
            guard line.count - start < 1024,
                let reply = try? JSON(parsing: Array(line[start...]), subject: path)
            else { continue }
            if reply["return"]?.integer == number { return }
        }
    }

    // MARK: Quiescer

    public var address: GuestAgentAddress { GuestAgentAddress(socket: path) }
    private var commands: AgentCommands { AgentCommands(self, subject: path) }

    public func system(timeoutSeconds: Double) throws(LifeboatError) -> GuestSystem {
        try commands.system(timeoutSeconds: timeoutSeconds)
    }

    public func isFrozen(timeoutSeconds: Double) throws(LifeboatError) -> Bool {
        try commands.isFrozen(timeoutSeconds: timeoutSeconds)
    }

    public func freeze(
        mountPoints: [String], timeoutSeconds: Double
    ) throws(LifeboatError) -> Int {
        try commands.freeze(mountPoints: mountPoints, timeoutSeconds: timeoutSeconds)
    }

    public func thaw(timeoutSeconds: Double) throws(LifeboatError) -> Int {
        try commands.thaw(timeoutSeconds: timeoutSeconds)
    }

    public func run(
        _ arguments: [String], timeoutSeconds: Double
    ) throws(LifeboatError) -> GuestCommandResult {
        try commands.run(arguments, timeoutSeconds: timeoutSeconds)
    }

    public func start(_ arguments: [String], timeoutSeconds: Double) throws(LifeboatError) {
        try commands.start(arguments, timeoutSeconds: timeoutSeconds)
    }
}
