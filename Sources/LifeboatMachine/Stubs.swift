public import LifeboatCore

public protocol GuardianStarting: Sendable {}
public struct ProcessGuardian: GuardianStarting { public init(program: String) {} }
public struct QuiesceRunner {
    public init(
        members: [(any ProtectedMachine, ProtectionPolicy)], group: String,
        guardian: (any GuardianStarting)?, runDirectory: String, events: any EventSink,
        cancellation: Cancellation
    ) { self.members = members }
    let members: [(any ProtectedMachine, ProtectionPolicy)]
    public func run() throws(LifeboatError) -> GroupQuiesceOutcome {
        var out: [QuiesceOutcome] = []
        for (m, p) in members {
            var o = QuiesceOutcome(level: .crash)
            if p.quiesce == .prefer { o.reasons = ["no agent"] }
            do throws(LifeboatError) {
                if p.quiesce == .require { throw LifeboatError(.refused, "no agent") }
                try m.startSnapshot(timeoutSeconds: 1)
            } catch { o.failure = error }
            out.append(o)
        }
        return GroupQuiesceOutcome(members: out, skewMilliseconds: 0)
    }
}
public enum HostHookRunner {
    public static func run(
        _ hooks: [HostHook], _ moment: HostHook.Moment, machine: String, group: String
    ) -> [String] { [] }
}
public enum DefinitionArchive {
    public static func encode(_ d: MachineDefinition) throws(LifeboatError) -> [UInt8] { [1] }
    public static func decode(_ b: [UInt8], subject: String) throws(LifeboatError)
        -> MachineDefinition
    { throw LifeboatError(.damaged, "") }
}
public struct MachineSource: Sendable, Equatable {
    public init?(parsing text: String) throws(LifeboatError) { return nil }
    public init(groupMember: String) throws(LifeboatError) {}
    public var machineName: String { "" }
    public func open(connection: String?) throws(LifeboatError) -> any ProtectedMachine {
        throw LifeboatError(.missing, "")
    }
}
public struct ProtectionPolicies {
    public init() {}
    public init(file: String) throws(LifeboatError) {}
    public func policy(for name: String) -> ProtectionPolicy { ProtectionPolicy() }
}
