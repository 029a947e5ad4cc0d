public import LifeboatCore

/// The bytes of a volume to read, at any offset.
///
/// Safe from many threads.
public protocol VolumeReader: AnyObject, Sendable {
    /// Its path, for messages.
    var name: String { get }
    /// Bytes, as of opening.
    var size: UInt64 { get }

    /// The runs between two offsets that may hold data, ascending; all else reads as zeros.
    func extents(from start: UInt64, to end: UInt64) throws(LifeboatError) -> [Extent]

    /// Fills `target` exactly.
    ///
    /// `.unreadable`, naming the volume and the range, if the source fails or is shorter.
    func read(
        at offset: UInt64, into target: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError)

    /// Bytes now: asked again at the end, to notice growing and shrinking.
    func currentSize() throws(LifeboatError) -> UInt64

    /// Why the source may change while it is read, such as `mounted at /srv`; `nil` if nothing
    /// speaks for it.
    var inUse: String? { get }
}
