public import LifeboatCore

/// Collects ascending extents in bounded memory.
///
/// Neighbours are joined. Beyond the limit so are those with gaps between them, the smallest gaps
/// first: what is reported is then more than there is, never less.
public struct ExtentCollector: Sendable {
    /// What there is so far, ascending, not touching one another.
    public private(set) var extents: [Extent] = []
    private let limit: Int
    private var bridgedGap: UInt64 = 0

    private static let firstGap: UInt64 = 4096

    /// Collects into at most `limit` extents.
    public init(limit: Int = 1 << 20) {
        precondition(limit > 0, "there is room for an extent")
        self.limit = limit
    }

    /// Adds an extent that starts nowhere before the one added last.
    public mutating func add(_ extent: Extent) {
        guard extent.length > 0 else { return }
        if let last = extents.last, extent.offset <= last.end + bridgedGap {
            extents[extents.count - 1].length = max(last.end, extent.end) - last.offset
            return
        }
        extents.append(extent)
        if extents.count > limit { thin() }
    }

    /// Joins over growing gaps until half of the room is free.
    private mutating func thin() {
        while extents.count > max(1, limit / 2) {
            bridgedGap = max(Self.firstGap, bridgedGap * 2)
            var joined: [Extent] = []
            for extent in extents {
                if let last = joined.last, extent.offset <= last.end + bridgedGap {
                    joined[joined.count - 1].length = extent.end - last.offset
                } else {
                    joined.append(extent)
                }
            }
            extents = joined
        }
    }
}
