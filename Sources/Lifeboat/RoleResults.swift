public import LifeboatCore

/// A password or key file that opens the repository.
public struct KeySummary: Sendable {
    public var id: Identifier
    /// `password` or `key file`.
    public var kind: String
    public var label: String
    /// Whose keys it opens; `nil` where the secret of that member's domain is not at hand.
    public var member: Identifier?
    public var created: UInt64
    /// Whether it is the one in use now.
    public var isCurrent: Bool
}

/// A writer or keeper of the repository.
public struct MemberSummary: Sendable {
    public var id: Identifier
    public var role: MemberRole
    public var label: String
    public var domain: Identifier
    /// Milliseconds since 1970.
    public var joined: UInt64
    /// `active`, `suspended` or `revoked`.
    public var state: String
    /// Whether it is the one whose keys are in use now.
    public var isCurrent: Bool
}

/// The members of a repository, and what opens it.
public struct AccessSummary: Sendable {
    public var members: [MemberSummary]
    public var keys: [KeySummary]
}

/// What `key enrol` made.
public struct EnrolmentResult: Sendable {
    public var member: MemberSummary
    public var key: KeySummary
    /// Whether the member's domain was made for it.
    public var isNewDomain: Bool
}

/// What `key rotate` made.
public struct RotationResult: Sendable {
    public var repository: Identifier
    public var location: String
    /// Short digest of the new root and recovery public key, to compare by eye.
    public var fingerprint: String
    public var recoveryKeyFile: String
    /// The five lines of the recovery key, for the page to print.
    ///
    /// Secret.
    public var recoveryKeyLines: [String]
    /// The text of the page's QR code.
    ///
    /// Secret.
    public var recoveryKeyCode: String
}
