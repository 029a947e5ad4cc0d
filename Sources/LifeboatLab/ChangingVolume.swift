import LifeboatCore
import LifeboatVolume

/// A small volume of which a chunk or two change from one backup to the next.
///
/// What a chunk holds follows from the volume's seed, its place, and when it last changed. Used by
/// the simulation of a year, which changes it between backups only.
final class ChangingVolume: VolumeReader, @unchecked Sendable {
    static let chunkByteCount = 64 << 10

    let name = "a changing volume"
    let size: UInt64
    private let seed: UInt64
    /// By chunk, when it last changed.
    private var versions: [UInt64]
    /// Random words in each chunk; the rest is a pattern that is cheap to compress.
    private static let randomWords = 2048

    init(chunks: Int, seed: UInt64) {
        size = UInt64(chunks * Self.chunkByteCount)
        self.seed = seed
        versions = [UInt64](repeating: 0, count: chunks)
    }

    /// Changes one chunk or two.
    func change(at time: UInt64) {
        let draw = mixed(seed, time)
        versions[Int(draw % UInt64(versions.count))] = time
        if draw & (1 << 40) != 0 { versions[Int((draw >> 41) % UInt64(versions.count))] = time }
    }

    func extents(from start: UInt64, to end: UInt64) -> [Extent] {
        start < min(end, size) ? [Extent(offset: start, length: min(end, size) - start)] : []
    }

    func read(at offset: UInt64, into target: UnsafeMutableRawBufferPointer) {
        var done = 0
        while done < target.count {
            let position = Int(offset) + done
            let chunk = position / Self.chunkByteCount
            let start = position % Self.chunkByteCount
            let count = min(target.count - done, Self.chunkByteCount - start)
            var word = mixed(seed &+ UInt64(chunk), versions[chunk])
            for index in 0..<count {
                let place = start + index
                if place.isMultiple(of: 8), place / 8 < Self.randomWords {
                    word = word &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                }
                let isRandom = place / 8 < Self.randomWords
                target[done + index] =
                    isRandom
                    ? UInt8(truncatingIfNeeded: word >> UInt64(8 * (place % 8)))
                    : UInt8(truncatingIfNeeded: place % 61)
            }
            done += count
        }
    }

    func currentSize() -> UInt64 { size }

    var inUse: String? { nil }
}
