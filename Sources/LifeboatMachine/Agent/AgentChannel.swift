public import LifeboatCore

/// A way on which one guest agent takes commands: its socket, or a hypervisor's call.
///
/// Safe from many threads; a command at a time reaches the agent.
public protocol AgentChannel: AnyObject, Sendable {
    /// Sends a command and returns the whole reply, an object with `return` or `error`.
    ///
    /// Returns or throws within the timeout. A channel whose own errors already tell what the
    /// agent said throws them instead: `.denied` for a command that the agent does not take.
    ///
    /// - Throws: `.unavailable` where no reply came in time: the command may still be done later.
    ///   `.damaged` where the reply is none.
    func command(_ command: JSON, timeoutSeconds: Double) throws(LifeboatError) -> JSON
}
