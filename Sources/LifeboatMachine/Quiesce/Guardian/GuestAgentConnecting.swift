public import LifeboatCore

/// How a guest's agent, and the machine itself, are reached by an address alone.
///
/// The guardian knows nothing else of a machine.
public protocol GuestAgentConnecting: Sendable {
    /// The way to the agent; what the address cannot be used for is `.unsupported`.
    func quiescer(for address: GuestAgentAddress) throws(LifeboatError) -> any Quiescer
    /// Lets a paused machine run again.
    func resume(_ address: MachineAddress, timeoutSeconds: Double) throws(LifeboatError)
    /// Ends what a run that died left in a machine, and removes its scratch files.
    ///
    /// What is no more is no error, and what is another run's or tool's is left alone.
    /// `isWanted` is asked right before anything is ended.
    func end(
        _ remains: SnapshotRemains, timeoutSeconds: Double,
        while isWanted: @escaping @Sendable () -> Bool
    ) throws(LifeboatError)
}

extension GuestAgentConnecting {
    public func resume(
        _ address: MachineAddress, timeoutSeconds: Double
    ) throws(LifeboatError) {
        throw LifeboatError(.unsupported, "a machine cannot be resumed by this way")
    }

    public func end(
        _ remains: SnapshotRemains, timeoutSeconds: Double,
        while isWanted: @escaping @Sendable () -> Bool
    ) throws(LifeboatError) {
        throw LifeboatError(.unsupported, "a snapshot cannot be ended by this way")
    }
}

/// Agents by their sockets on this host.
public struct SocketConnecting: GuestAgentConnecting {
    public init() {}

    public func quiescer(for address: GuestAgentAddress) throws(LifeboatError) -> any Quiescer {
        guard let socket = address.socket else {
            throw LifeboatError(.unsupported, "the guest's agent has no socket on this host")
        }
        return AgentSocket(path: socket)
    }
}
