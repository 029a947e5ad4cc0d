public import LifeboatCore

/// A volume to write, at any offset.
///
/// Safe from many threads as long as their ranges are apart.
public protocol VolumeWriter: AnyObject, Sendable {
    /// Its path, for messages.
    var name: String { get }
    /// Bytes.
    var size: UInt64 { get }
    /// Whether it held nothing but zeros when it was opened: then zeros need no writing.
    var startsZeroed: Bool { get }

    /// Writes all of `bytes`.
    func write(at offset: UInt64, _ bytes: UnsafeRawBufferPointer) throws(LifeboatError)
    /// Makes a run read as zeros, freeing its space where that is possible.
    func zero(_ extent: Extent) throws(LifeboatError)
    /// Fills `target`; the result is smaller only at the end.
    func read(
        at offset: UInt64, into target: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError) -> Int
    /// The runs between two offsets that may hold data, ascending.
    func dataExtents(from start: UInt64, to end: UInt64) throws(LifeboatError) -> [Extent]
    /// Returns when everything written is on stable storage.
    func sync() throws(LifeboatError)
    /// Lets the page cache forget the volume, so that reading back reads the disk.
    func dropCache()
}
