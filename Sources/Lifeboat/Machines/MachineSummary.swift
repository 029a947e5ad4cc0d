public import LifeboatCore
import LifeboatFormat

/// What a point says of one of its machines.
public struct MachineSummary: Sendable {
    public var name: String
    public var consistency: ConsistencyLevel
    /// What was asked for, such as `require`.
    public var policy: String
    public var platform: String
    /// Milliseconds for which the guest was frozen; `nil` where it was not.
    public var freezeWindow: UInt64?
    /// Why the level is lower than was wished.
    public var reasons: [String]
    /// What else should be known, such as a bitmap that was lost.
    public var notes: [String]
    public var hadDeadMan: Bool
    /// The platform's snapshot, on which the next point builds.
    public var snapshot: String?
    /// The names of its disks' volumes in the point.
    public var volumes: [String]
    /// The name of the volume with its definition.
    public var definition: String?

    public init(
        name: String, consistency: ConsistencyLevel, policy: String, platform: String,
        freezeWindow: UInt64?, reasons: [String], notes: [String], hadDeadMan: Bool,
        snapshot: String?, volumes: [String], definition: String?
    ) {
        self.name = name
        self.consistency = consistency
        self.policy = policy
        self.platform = platform
        self.freezeWindow = freezeWindow
        self.reasons = reasons
        self.notes = notes
        self.hadDeadMan = hadDeadMan
        self.snapshot = snapshot
        self.volumes = volumes
        self.definition = definition
    }

    init(_ machine: PointMachine) {
        name = machine.name
        consistency = machine.consistency
        policy = machine.policy
        platform = machine.platform
        freezeWindow = machine.freezeWindow
        reasons = machine.reasons
        notes = machine.notes
        hadDeadMan = machine.hadDeadMan
        snapshot = machine.snapshot
        volumes = machine.volumes
        definition = machine.definition
    }
}
