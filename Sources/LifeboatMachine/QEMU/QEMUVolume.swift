import LifeboatCore
import LifeboatSystem
import LifeboatVolume

/// A frozen disk of a QEMU, which knows why it cannot be read any more.
final class QEMUVolume: VolumeReader {
    let name: String
    private let volume: NBDVolume
    /// Why the snapshot is no more; asked after a failed read and after each good one.
    private let failure: @Sendable (_ hasFailed: Bool) -> LifeboatError?

    init(
        name: String, volume: NBDVolume,
        failure: @escaping @Sendable (_ hasFailed: Bool) -> LifeboatError?
    ) {
        self.name = name
        self.volume = volume
        self.failure = failure
    }

    var size: UInt64 { volume.size }
    var inUse: String? { nil }

    func currentSize() throws(LifeboatError) -> UInt64 { volume.size }

    func extents(from start: UInt64, to end: UInt64) throws(LifeboatError) -> [Extent] {
        try explaining { () throws(LifeboatError) in try volume.extents(from: start, to: end) }
    }

    func read(
        at offset: UInt64, into target: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError) {
        try explaining { () throws(LifeboatError) in try volume.read(at: offset, into: target) }
    }

    private func explaining<Value>(
        _ body: () throws(LifeboatError) -> Value
    ) throws(LifeboatError) -> Value {
        let value: Value
        do throws(LifeboatError) {
            value = try body()
        } catch {
            throw failure(true) ?? error
        }
        // What was read while the snapshot was given up may be newer than the snapshot.
        if let failure = failure(false) { throw failure }
        return value
    }
}
