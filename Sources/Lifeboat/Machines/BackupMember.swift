public import LifeboatMachine

/// A machine whose volumes and definition go into a point, while it runs on.
public struct BackupMember: Sendable {
    public var machine: any ProtectedMachine
    public var policy: ProtectionPolicy

    public init(_ machine: any ProtectedMachine, policy: ProtectionPolicy = ProtectionPolicy()) {
        self.machine = machine
        self.policy = policy
    }
}
