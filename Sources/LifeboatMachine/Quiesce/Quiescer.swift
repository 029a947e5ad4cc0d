public import LifeboatCore

/// A way to a guest's agent.
///
/// All calls return or throw within their timeout and a second; what timed out may still happen
/// later, so `isFrozen` is asked until it says what is wanted. Safe from many threads.
public protocol Quiescer: AnyObject, Sendable {
    /// What the agent says of the guest's system, such as `linux` or `mswindows`.
    func system(timeoutSeconds: Double) throws(LifeboatError) -> GuestSystem
    func isFrozen(timeoutSeconds: Double) throws(LifeboatError) -> Bool
    /// Freezes these mount points, or all file systems; returns how many were frozen.
    func freeze(mountPoints: [String], timeoutSeconds: Double) throws(LifeboatError) -> Int
    /// Lets all run again; returns how many file systems were thawed.
    func thaw(timeoutSeconds: Double) throws(LifeboatError) -> Int
    /// Runs a program in the guest to its end.
    ///
    /// - Throws: `.denied` where the agent allows no commands.
    func run(
        _ arguments: [String], timeoutSeconds: Double
    ) throws(LifeboatError) -> GuestCommandResult
    /// Starts a program in the guest and does not wait for it.
    func start(_ arguments: [String], timeoutSeconds: Double) throws(LifeboatError)
    /// What an independent process needs to reach the same agent.
    var address: GuestAgentAddress { get }
}

/// What an agent says of its guest.
public struct GuestSystem: Sendable, Equatable {
    /// `linux`, `mswindows`, or what else it says.
    public var identifier: String
    /// Such as `Debian GNU/Linux 12`.
    public var name: String
    public var agentVersion: String
    /// Whether the agent runs commands.
    public var allowsCommands: Bool

    public init(identifier: String, name: String, agentVersion: String, allowsCommands: Bool) {
        self.identifier = identifier
        self.name = name
        self.agentVersion = agentVersion
        self.allowsCommands = allowsCommands
    }

    public var isWindows: Bool { identifier == "mswindows" }
}

/// How a program ended in the guest.
public struct GuestCommandResult: Sendable, Equatable {
    /// `nil` when a signal ended it.
    public var exitCode: Int?
    public var output: [UInt8]
    public var errorOutput: [UInt8]

    public init(exitCode: Int?, output: [UInt8], errorOutput: [UInt8]) {
        self.exitCode = exitCode
        self.output = output
        self.errorOutput = errorOutput
    }
}

/// Where a guest's agent can be reached: through libvirt, by its socket, or both.
public struct GuestAgentAddress: Sendable, Equatable, Codable {
    /// The connection's URI and the domain's UUID.
    public struct Domain: Sendable, Equatable, Codable {
        public var uri: String
        public var uuid: String
        public init(uri: String, uuid: String) {
            self.uri = uri
            self.uuid = uuid
        }
    }

    public var domain: Domain?
    /// The path of the agent's UNIX socket on this host.
    public var socket: String?

    public init(domain: Domain? = nil, socket: String? = nil) {
        self.domain = domain
        self.socket = socket
    }
}
