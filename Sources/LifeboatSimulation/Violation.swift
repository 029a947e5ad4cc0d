public import LifeboatProtocol

/// How one schedule went.
public struct ScheduleResult: Sendable {
    public var seed: UInt64
    /// What went wrong; `nil` if all was well.
    public var violation: String?
    /// Of all that happened, to compare two runs.
    public var digest: UInt64
    public var steps: Int
    public var counted: Int
    public var voided: Int
    public var events: [String]
}

/// One rule's name, for people.
public struct NamedRule: Sendable {
    public var name: String
    public var rule: Rules
    /// The theme that brings its absence to light soonest, where chance alone takes long.
    public var theme: Scene.Theme?
    /// Where the table begins for a rule whose absence shows in one of some thousand schedules only.
    public var firstSeed: UInt64 = 1
    /// What it stops.
    public var purpose: String
}
