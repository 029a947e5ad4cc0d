public import LifeboatCore
public import LifeboatFormat

/// An entry whose signature and place were checked.
///
/// By reference, for entries are large and passed around much.
public final class VerifiedEntry: Hashable, Sendable {
    /// SHA-256 of the entry's object: the id of its point.
    public let id: Digest
    public let entry: LogEntry

    public init(id: Digest, entry: LogEntry) {
        self.id = id
        self.entry = entry
    }

    public static func == (one: VerifiedEntry, other: VerifiedEntry) -> Bool {
        one === other || one.id == other.id
    }

    public func hash(into hasher: inout Hasher) { hasher.combine(id) }

    public var addsPoint: Bool { !entry.body.isZero }
    public var head: LogHead { entry.head(id) }
}
