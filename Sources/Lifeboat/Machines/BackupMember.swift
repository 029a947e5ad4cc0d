public import LifeboatMachine

/// A machine whose volumes and definition go into a point, while it runs on.
public struct BackupMember: Sendable {
    /// Gives the machine when the backup begins.
    public enum Source: Sendable {
        /// By its name, such as `libvirt:web`, and the URI of the hypervisor where it has one.
        case named(MachineSource, connection: String?)
        /// A machine that the caller has at hand.
        case machine(any ProtectedMachine)
    }

    public var source: Source
    public var policy: ProtectionPolicy

    public init(_ source: Source, policy: ProtectionPolicy = ProtectionPolicy()) {
        self.source = source
        self.policy = policy
    }

    /// What its volumes are called after.
    public var name: String {
        switch source {
        case .named(let source, _): source.machineName
        case .machine(let machine): machine.name
        }
    }
}
