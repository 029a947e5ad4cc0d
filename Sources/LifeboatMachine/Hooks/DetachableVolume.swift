import LifeboatCore
import LifeboatSystem
import LifeboatVolume

/// A volume that can be let go of while others still hold this object: what must be removed next
/// must not be open.
final class DetachableVolume: VolumeReader {
    let name: String
    let size: UInt64
    private let reader: Guarded<(any VolumeReader)?>

    init(_ reader: any VolumeReader) {
        name = reader.name
        size = reader.size
        self.reader = Guarded(reader)
    }

    func detach() { reader.withLock { $0 = nil } }

    private func current() throws(LifeboatError) -> any VolumeReader {
        guard let reader = reader.withLock({ $0 }) else {
            throw LifeboatError(
                .unreadable, "the snapshot of \(name) has been released", subject: name)
        }
        return reader
    }

    func extents(from start: UInt64, to end: UInt64) throws(LifeboatError) -> [Extent] {
        try current().extents(from: start, to: end)
    }

    func read(
        at offset: UInt64, into target: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError) {
        try current().read(at: offset, into: target)
    }

    func currentSize() throws(LifeboatError) -> UInt64 { try current().currentSize() }

    var inUse: String? { reader.withLock { $0 }?.inUse }
}
