public import LifeboatCore

/// The guest agent of a libvirt domain.
///
/// Freezing and thawing go through libvirt's own calls, so that it knows of them; all else is the
/// agent's own commands.
public final class LibvirtQuiescer: AgentChannel, Quiescer {
    private let domain: LibvirtDomain
    private let socket: String?

    public init(domain: LibvirtDomain, socket: String?) {
        self.domain = domain
        self.socket = socket
    }

    public var address: GuestAgentAddress {
        GuestAgentAddress(
            domain: .init(uri: domain.connection.uri, uuid: domain.uuid), socket: socket)
    }

    public func command(_ command: JSON, timeoutSeconds: Double) throws(LifeboatError) -> JSON {
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
        // Without it libvirt waits for the agent for ever, and holds the domain's lock meanwhile.
        try? domain.setAgentTimeout(seconds: max(1, Int(timeoutSeconds)))
        do throws(LifeboatError) {
            return try domain.freeze(mountPoints: mountPoints, timeoutSeconds: timeoutSeconds + 1)
        } catch {
            // Only what the agent itself says tells that nothing will happen later.
            let isAnswer = error.cause?.contains("execute QEMU agent command") == true
            guard isAnswer || error.code == .refused else { throw error }
            throw LifeboatError(
                isAnswer ? .refused : .unavailable, error.message, subject: domain.name,
                cause: error.cause)
        }
    }

    public func thaw(timeoutSeconds: Double) throws(LifeboatError) -> Int {
        try? domain.setAgentTimeout(seconds: max(1, Int(timeoutSeconds)))
        return try domain.thaw(timeoutSeconds: timeoutSeconds + 1)
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
