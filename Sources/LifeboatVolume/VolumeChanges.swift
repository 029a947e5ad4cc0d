public import LifeboatCore

/// What a tracker of changed blocks says of a volume: a hint, which is checked before it is
/// believed.
public struct VolumeChanges: Sendable, Hashable {
    /// The snapshot since which it has tracked.
    public var base: String
    /// Ascending, not overlapping.
    public var extents: [Extent]

    public init(base: String, extents: [Extent]) {
        self.base = base
        self.extents = extents
    }
}
