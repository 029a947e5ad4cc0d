/// A run of bytes of a volume.
@frozen
public struct Extent: Hashable, Sendable, Comparable {
    /// Bytes from the start of the volume.
    public var offset: UInt64
    /// Bytes.
    public var length: UInt64

    @inlinable
    public init(offset: UInt64, length: UInt64) {
        self.offset = offset
        self.length = length
    }

    /// The first byte after the extent.
    @inlinable
    public var end: UInt64 { offset + length }

    @inlinable
    public static func < (left: Extent, right: Extent) -> Bool {
        (left.offset, left.length) < (right.offset, right.length)
    }
}
