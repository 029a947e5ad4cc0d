public import LifeboatCore

/// Which tags, besides the machine, put points into groups of their own.
public struct RetentionGrouping: Hashable, Sendable {
    public var tags: [String]

    /// `tags`: names; by default `group`, which marks the points of a protected group.
    public init(tags: [String] = ["group"]) { self.tags = tags }
}

/// Which points to forget.
public enum ForgetSelection: Sendable {
    /// These, by id, unique prefix or `latest`.
    case points([String])
    /// All that the policy does not keep, of those that the filter lets pass.
    case policy(RetentionPolicy, RetentionGrouping)
}

/// What to forget, and how.
public struct ForgetOptions: Sendable {
    public var selection: ForgetSelection
    public var filter = PointFilter()
    public var isDryRun = false

    public init(_ selection: ForgetSelection) { self.selection = selection }
}

/// What `forget` made of one point.
public struct ForgetDecision: Sendable {
    public var id: Digest
    /// Empty where the point's body cannot be read.
    public var machine: String
    /// When it was taken, within the bounds that keepers saw; milliseconds since 1970.
    public var time: UInt64
    /// Values of the tags that set it apart from other points of the machine.
    public var group: [String: String]
    public var isForgotten: Bool
    public var reasons: [RetentionReason]
}

/// What `forget` did, or would do.
public struct ForgetResult: Sendable {
    /// By machine and group, oldest first.
    public var points: [ForgetDecision]
    /// How many log entries say so.
    public var entries: Int
}
