public import LifeboatCore
import LifeboatSystem

/// The guest agent of a libvirt domain.
///
/// Freezing and thawing go through libvirt's own calls, so that it knows of them; all else is the
/// agent's own commands. An agent that libvirt has lost is reached by its socket.
public final class LibvirtQuiescer: AgentChannel, Quiescer {
    private let domain: LibvirtDomain
    private let socket: String?
    private let mayFreeSocket: Bool

    /// - `socket`: the agent's, where this host has it.
    /// - `mayFreeSocket`: whether QEMU may be told to make that anew where libvirt holds a dead
    ///   connection to it.
    public init(domain: LibvirtDomain, socket: String?, mayFreeSocket: Bool = true) {
        self.domain = domain
        self.socket = socket
        self.mayFreeSocket = mayFreeSocket
    }

    public var address: GuestAgentAddress {
        GuestAgentAddress(
            domain: .init(uri: domain.connection.uri, uuid: domain.uuid), socket: socket)
    }

    public func command(_ command: JSON, timeoutSeconds: Double) throws(LifeboatError) -> JSON {
        try ask { () throws(LifeboatError) in
            try commandThroughLibvirt(command, timeoutSeconds: timeoutSeconds)
        } bySocket: { agent throws(LifeboatError) in
            try agent.command(command, timeoutSeconds: timeoutSeconds)
        }
    }

    private func commandThroughLibvirt(
        _ command: JSON, timeoutSeconds: Double
    ) throws(LifeboatError) -> JSON {
        let text: String
        do throws(LifeboatError) {
            text = try domain.agentCommand(command.serialized, timeoutSeconds: timeoutSeconds)
        } catch {
            let cause = error.cause ?? ""
            let isForbidden =
                cause.contains("has been disabled") || cause.contains("not been found")
                || cause.contains("not found")
            guard isForbidden else { throw error }
            throw LifeboatError(
                .denied, "the guest's agent does not take this command", subject: domain.name,
                cause: cause)
        }
        return try JSON(parsing: Array(text.utf8), subject: "the agent of \(domain.name)")
    }

    private var commands: AgentCommands { AgentCommands(self, subject: domain.name) }

    public func system(timeoutSeconds: Double) throws(LifeboatError) -> GuestSystem {
        try commands.system(timeoutSeconds: timeoutSeconds)
    }

    public func isFrozen(timeoutSeconds: Double) throws(LifeboatError) -> Bool {
        try commands.isFrozen(timeoutSeconds: timeoutSeconds)
    }

    public func freeze(
        mountPoints: [String], timeoutSeconds: Double
    ) throws(LifeboatError) -> Int {
        try ask { () throws(LifeboatError) in
            try freezeThroughLibvirt(mountPoints, timeoutSeconds)
        } bySocket: { agent throws(LifeboatError) in
            try agent.freeze(mountPoints: mountPoints, timeoutSeconds: timeoutSeconds)
        }
    }

    private func freezeThroughLibvirt(
        _ mountPoints: [String], _ timeoutSeconds: Double
    ) throws(LifeboatError) -> Int {
        // Without it libvirt waits for the agent for ever, and holds the domain's lock meanwhile.
        try? domain.setAgentTimeout(seconds: max(1, Int(timeoutSeconds)))
        do throws(LifeboatError) {
            return try domain.freeze(mountPoints: mountPoints, timeoutSeconds: timeoutSeconds + 1)
        } catch {
            // Only what the agent itself says tells that nothing will happen later.
            guard Self.isAnswer(error) || error.code == .refused else { throw error }
            throw LifeboatError(
                Self.isAnswer(error) ? .refused : .unavailable, error.message,
                subject: domain.name, cause: error.cause)
        }
    }

    public func thaw(timeoutSeconds: Double) throws(LifeboatError) -> Int {
        try ask { () throws(LifeboatError) in
            try? domain.setAgentTimeout(seconds: max(1, Int(timeoutSeconds)))
            return try domain.thaw(timeoutSeconds: timeoutSeconds + 1)
        } bySocket: { agent throws(LifeboatError) in
            try agent.thaw(timeoutSeconds: timeoutSeconds)
        }
    }

    public func run(
        _ arguments: [String], timeoutSeconds: Double
    ) throws(LifeboatError) -> GuestCommandResult {
        try commands.run(arguments, timeoutSeconds: timeoutSeconds)
    }

    public func start(_ arguments: [String], timeoutSeconds: Double) throws(LifeboatError) {
        try commands.start(arguments, timeoutSeconds: timeoutSeconds)
    }

    /// Asks through libvirt, or an agent that libvirt has lost by its socket.
    private func ask<Value>(
        _ body: () throws(LifeboatError) -> Value,
        bySocket: (AgentSocket) throws(LifeboatError) -> Value
    ) throws(LifeboatError) -> Value {
        let begun = Clock.monotonicSeconds()
        do throws(LifeboatError) {
            return try body()
        } catch {
            let isPrompt = Clock.monotonicSeconds() < begun + LostAgent.promptSeconds
            guard error.code == .unavailable, isPrompt, !Self.isAnswer(error), let socket,
                let agent = LostAgent(
                    domain: domain, socket: socket, mayFreeSocket: mayFreeSocket
                ).find(isStillLost: isLost)
            else { throw error }
            return try bySocket(agent)
        }
    }

    /// Whether the agent itself has said it.
    private static func isAnswer(_ error: LifeboatError) -> Bool {
        error.cause?.contains("execute QEMU agent command") == true
    }

    private func isLost() -> Bool {
        let begun = Clock.monotonicSeconds()
        do throws(LifeboatError) {
            _ = try domain.agentCommand("{\"execute\": \"guest-ping\"}", timeoutSeconds: 1)
            return false
        } catch {
            return error.code == .unavailable
                && Clock.monotonicSeconds() < begun + LostAgent.promptSeconds
        }
    }
}
