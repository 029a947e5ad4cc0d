public import LifeboatCore
public import LifeboatFormat

/// What a host remembers of a repository between runs, in its state directory.
public struct HostMemory: Hashable, Sendable {
    /// The number of its incarnation; 0 before the first.
    public var number: UInt64 = 0
    /// The last entry of its own log that it knows to stand.
    public var head: LogHead?
    /// An entry that it was about to put behind `head`.
    public var pending: Digest?
    /// Where it saw each log end.
    public var seen: [LogHead] = []

    public init() {}

    /// Remembers the further of what was known and what is seen now.
    public mutating func note(_ heads: [LogHead]) {
        var merged: [Identifier: LogHead] = [:]
        for head in seen + heads where head.sequence > merged[head.incarnation]?.sequence ?? 0 {
            merged[head.incarnation] = head
        }
        seen = merged.values.sorted { $0.incarnation < $1.incarnation }
    }
}
