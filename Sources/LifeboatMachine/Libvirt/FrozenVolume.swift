internal import LifeboatCore
internal import LifeboatVolume

/// A volume of a snapshot, whose failures are told with what is known of their reason.
final class FrozenVolume: VolumeReader {
    let name: String
    let size: UInt64
    private let reader: any VolumeReader
    private let reason: @Sendable () -> LifeboatError?

    init(
        _ reader: any VolumeReader, name: String, reason: @escaping @Sendable () -> LifeboatError?
    ) {
        self.reader = reader
        self.name = name
        self.reason = reason
        size = reader.size
    }

    func extents(from start: UInt64, to end: UInt64) throws(LifeboatError) -> [Extent] {
        try told { () throws(LifeboatError) in try reader.extents(from: start, to: end) }
    }

    func read(
        at offset: UInt64, into target: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError) {
        try told { () throws(LifeboatError) in try reader.read(at: offset, into: target) }
    }

    func currentSize() throws(LifeboatError) -> UInt64 { size }

    var inUse: String? { nil }

    private func told<R>(_ body: () throws(LifeboatError) -> R) throws(LifeboatError) -> R {
        // What is read after the backup has ended is not the snapshot any more.
        if let reason = reason() { throw reason.about(name) }
        do throws(LifeboatError) {
            return try body()
        } catch {
            if let reason = reason() { throw reason.about(name) }
            throw error
        }
    }
}
