/// Where backups go while the store of their repository cannot be reached.
public struct SpoolSettings: Hashable, Sendable {
    /// When backups go there.
    public enum Occasion: String, Hashable, Sendable, CaseIterable {
        /// While the link is suspended.
        case suspended
        /// Also when the store does not answer.
        case unreachable
    }

    /// The spool's directory.
    public var directory: String
    /// What the points that wait may take, in bytes.
    public var size: UInt64
    public var occasion: Occasion
    /// Whether a point that waits counts as protection of the repository.
    public var counts: Bool

    public init(
        directory: String, size: UInt64, occasion: Occasion = .suspended, counts: Bool = false
    ) {
        self.directory = directory
        self.size = size
        self.occasion = occasion
        self.counts = counts
    }
}
