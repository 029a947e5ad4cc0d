import LifeboatCore
import LifeboatFormat
import LifeboatSystem

/// Chunks that go into one frame, in a buffer of their own.
final class PendingFrame: @unchecked Sendable {
    let buffer: Buffer
    var slots: [PackDirectory.Slot] = []
    var byteCount = 0
    /// The chunk that would follow without a gap.
    var next: UInt64 = 0

    init(buffer: Buffer) { self.buffer = buffer }

    var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer.storage)[0..<byteCount])
    }

    /// Scattered chunks make frames of a MiB: reading one of them, or rewriting what is left of the
    /// frame later, then costs little.
    ///
    /// Chunks in a row may fill 4 MiB.
    static let scatteredByteCount = 1 << 20

    /// Whether `chunk` of `length` bytes should go into the next frame instead.
    func isFull(for chunk: UInt64, length: Int) -> Bool {
        if byteCount == 0 { return false }
        if byteCount + length > PackLayout.frameByteLimit || slots.count >= PackLayout.slotLimit {
            return true
        }
        return chunk != next && byteCount >= Self.scatteredByteCount
    }

    func append(_ chunk: UInt64, id: Digest, _ bytes: UnsafeRawBufferPointer) {
        UnsafeMutableRawBufferPointer(
            rebasing: buffer.storage[byteCount..<byteCount + bytes.count]
        ).copyMemory(from: bytes)
        byteCount += bytes.count
        slots.append(.init(id: id, length: UInt32(bytes.count)))
        next = chunk + 1
    }
}
