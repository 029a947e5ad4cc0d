import ArgumentParser
import LifeboatCore
import LifeboatVolume

/// What a synthetic volume is made from; equal recipes make equal volumes.
struct VolumeRecipe: Codable {
    /// Bytes of the volume.
    var size: UInt64
    /// Percent of the volume that holds data; the rest are holes.
    var fill: UInt64 = 100
    var seed: UInt64
    /// How far a chunk can be compressed.
    var ratio = 100
    /// Different chunks in all; 0 for as many as there are.
    var distinct: UInt64 = 0
    /// How many chunks differ from the volume of generation 0.
    var changed = 0
    /// Which chunks those are, and what they hold.
    var generation: UInt64 = 0

    /// Whether the region of `SyntheticVolume.regionByteCount` bytes with this number has data.
    func hasData(region: UInt64) -> Bool { mixed(seed, region) % 100 < fill }

    /// The chunks that differ from generation 0, ascending; all of them have data.
    ///
    /// Those of a smaller number of changes are among those of a larger one.
    var changedChunks: [UInt64] {
        guard changed > 0, fill > 0 else { return [] }
        let count = size / UInt64(SyntheticVolume.chunkByteCount)
        var chunks: Set<UInt64> = []
        var draw: UInt64 = 0
        // Small volumes may not have so many: then it is as many as were met.
        while chunks.count < changed, draw < 1000 + 1000 * UInt64(changed) {
            draw += 1
            let chunk = mixed(seed &+ generation, draw) % max(1, count)
            let region =
                chunk * UInt64(SyntheticVolume.chunkByteCount) / SyntheticVolume.regionByteCount
            if hasData(region: region) { chunks.insert(chunk) }
        }
        return chunks.sorted()
    }
}

/// Two numbers made one that looks random (SplitMix64).
func mixed(_ first: UInt64, _ second: UInt64) -> UInt64 {
    var word = first &* 0xD134_2543_DE82_EF95 &+ second &* 0x9E37_79B9_7F4A_7C15
    word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
    word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
    return word ^ (word >> 31)
}

/// A volume whose content is computed when it is read.
///
/// It is cheap: a chunk is mostly a constant pattern, with as many random words at eight places as
/// the wanted ratio of compression leaves. Data and holes alternate in regions of 16 MiB.
final class SyntheticVolume: VolumeReader {
    static let chunkByteCount = 64 << 10
    static let regionByteCount: UInt64 = 16 << 20
    private static let pieceCount = 8

    let name = "a synthetic volume"
    let size: UInt64
    private let recipe: VolumeRecipe
    private let changed: [UInt64]
    private let pattern: [UInt8]
    /// Random words in each piece of a chunk.
    private let randomWords: Int

    init(_ recipe: VolumeRecipe) {
        self.recipe = recipe
        size = recipe.size
        changed = recipe.changedChunks
        let words = Self.chunkByteCount / max(1, recipe.ratio) / 8
        randomWords = max(1, words / Self.pieceCount)
        pattern = (0..<Self.chunkByteCount).map { UInt8(truncatingIfNeeded: $0 % 61 + 1) }
    }

    func extents(from start: UInt64, to end: UInt64) -> [Extent] {
        let end = min(end, size)
        var extents: [Extent] = []
        var position = start
        while position < end {
            let region = position / Self.regionByteCount
            let next = min(end, (region + 1) * Self.regionByteCount)
            if recipe.hasData(region: region) {
                if let last = extents.last, last.end == position {
                    extents[extents.count - 1] = Extent(
                        offset: last.offset, length: next - last.offset)
                } else {
                    extents.append(Extent(offset: position, length: next - position))
                }
            }
            position = next
        }
        return extents
    }

    func read(at offset: UInt64, into target: UnsafeMutableRawBufferPointer) {
        let unit = UInt64(Self.chunkByteCount)
        var done = 0
        while done < target.count {
            let position = offset + UInt64(done)
            let skipped = Int(position % unit)
            let count = min(target.count - done, Self.chunkByteCount - skipped)
            let room = UnsafeMutableRawBufferPointer(rebasing: target[done..<done + count])
            if count == Self.chunkByteCount {
                make(position / unit, into: room)
            } else {
                withUnsafeTemporaryAllocation(byteCount: Self.chunkByteCount, alignment: 8) {
                    make(position / unit, into: $0)
                    room.copyMemory(
                        from: UnsafeRawBufferPointer(rebasing: $0[skipped..<skipped + count]))
                }
            }
            done += count
        }
    }

    func currentSize() -> UInt64 { size }

    var inUse: String? { nil }

    private func make(_ chunk: UInt64, into room: UnsafeMutableRawBufferPointer) {
        guard
            recipe.hasData(region: chunk * UInt64(Self.chunkByteCount) / Self.regionByteCount)
        else {
            _ = room.initializeMemory(as: UInt8.self, repeating: 0)
            return
        }
        room.copyBytes(from: pattern)
        var identity = recipe.distinct > 0 ? mixed(1, chunk) % recipe.distinct : chunk
        if isChanged(chunk) { identity = mixed(chunk, recipe.generation &+ 1) }
        var word = mixed(recipe.seed, identity)
        for piece in 0..<Self.pieceCount {
            let start = piece * Self.chunkByteCount / Self.pieceCount
            for index in 0..<randomWords {
                word = word &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                room.storeBytes(
                    of: word ^ (word >> 32), toByteOffset: start + 8 * index, as: UInt64.self)
            }
        }
    }

    private func isChanged(_ chunk: UInt64) -> Bool {
        var low = 0
        var high = changed.count
        while low < high {
            let middle = (low + high) / 2
            if changed[middle] < chunk { low = middle + 1 } else { high = middle }
        }
        return low < changed.count && changed[low] == chunk
    }
}

/// A size on the command line: `65536`, `64KiB`, `1TiB`.
struct ByteCount: ExpressibleByArgument {
    var bytes: UInt64

    init(_ bytes: UInt64) { self.bytes = bytes }

    init?(argument: String) {
        guard let bytes = ByteText.parse(argument) else { return nil }
        self.bytes = bytes
    }

    var defaultValueDescription: String { ByteText.describe(bytes) }
}
