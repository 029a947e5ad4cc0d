public import LifeboatCore

/// Somebody at work in the repository, or somebody who died at it.
public struct SessionSummary: Hashable, Sendable {
    public var session: Identifier
    public var member: Identifier
    /// `nil` where the secret of the member's domain is not at hand.
    public var label: String?
    /// The log that the session belongs to.
    public var incarnation: Identifier
    /// When it opened, by its member's clock; milliseconds since 1970.
    public var since: UInt64
    /// Whether its log was ended by a fence or a revocation: nobody waits for it any more.
    public var isEnded: Bool
    /// Condemned objects that cannot be deleted before it is over.
    public var condemnedObjects: Int
    /// Forgotten points whose data is kept until it is over.
    public var forgottenPoints: Int
}

/// Which logs to fence.
public enum FenceSelection: Sendable {
    /// Sessions, incarnations or members, by id or unique prefix.
    case named([String])
    /// All that have a session which opened so many milliseconds ago.
    case olderThan(UInt64)
}

/// A log that was fenced.
public struct FencedLog: Hashable, Sendable {
    public var incarnation: Identifier
    public var member: Identifier
    public var label: String?
    /// Its last entry that counts.
    public var sequence: UInt64
    /// Sessions that are void.
    public var sessions: [Identifier]
}
