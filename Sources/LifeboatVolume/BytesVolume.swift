public import LifeboatCore

/// Bytes in memory as a volume to read.
public final class BytesVolume: VolumeReader {
    public let name: String
    private let bytes: [UInt8]

    public init(_ bytes: [UInt8], name: String) {
        self.bytes = bytes
        self.name = name
    }

    public var size: UInt64 { UInt64(bytes.count) }
    public var inUse: String? { nil }

    public func currentSize() throws(LifeboatError) -> UInt64 { size }

    public func extents(from start: UInt64, to end: UInt64) throws(LifeboatError) -> [Extent] {
        let end = min(end, size)
        return start < end ? [Extent(offset: start, length: end - start)] : []
    }

    public func read(
        at offset: UInt64, into target: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError) {
        guard offset <= size, UInt64(target.count) <= size - offset else {
            throw LifeboatError(
                .unreadable, "bytes from \(offset) are beyond its end", subject: name)
        }
        bytes.withUnsafeBytes { source in
            let start = Int(offset)
            target.copyMemory(
                from: UnsafeRawBufferPointer(rebasing: source[start..<start + target.count]))
        }
    }
}
