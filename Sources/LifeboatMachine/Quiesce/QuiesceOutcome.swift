public import LifeboatCore

/// What freezing one machine, starting its snapshot and thawing it came to.
public struct QuiesceOutcome: Sendable, Equatable {
    /// The level reached; `nil` where the machine takes no part in the point, see `failure`.
    public var level: ConsistencyLevel?
    /// Why the level is lower than the policy would like it; each one sentence.
    public var reasons: [String] = []
    /// From the moment at which freezing was asked for to that at which the guest said `thawed`;
    /// `nil` where it was not frozen.
    public var windowMilliseconds: UInt64?
    /// Whether a process in the guest would have thawed it by itself.
    public var isDeadManArmed = false
    /// Why there is no snapshot of this machine.
    public var failure: LifeboatError?

    public init(level: ConsistencyLevel?) { self.level = level }
}

/// What came of a whole group.
public struct GroupQuiesceOutcome: Sendable, Equatable {
    /// In the order of the members.
    public var members: [QuiesceOutcome]
    /// Between the first and the last snapshot's start.
    public var skewMilliseconds: UInt64

    public init(members: [QuiesceOutcome], skewMilliseconds: UInt64) {
        self.members = members
        self.skewMilliseconds = skewMilliseconds
    }
}
