import LifeboatArchive
import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatSystem
import LifeboatVolume

/// Changed extents of a volume since its parent, checked as far as a hint can be.
struct Hint {
    /// Chunks to read, ascending, neighbours joined.
    let chunks: [Range<UInt64>]
    /// Changed chunks before each range.
    private let before: [UInt64]
    private let chunkCount: UInt64
    private let chunkSize: Int

    /// Reads and checks a changed-extents file.
    ///
    /// - Throws: `.refused` when it was made for another base, volume or size.
    init(
        path: String, volume: String, size: UInt64, parent: Point?, chunkSize: Int
    ) throws(LifeboatError) {
        let bytes = try Files.readWhole(path, limit: 256 << 20)
        let text = try ChangedExtentsText(
            parsing: String(decoding: bytes, as: UTF8.self), subject: path)
        func refusal(_ what: String) -> LifeboatError {
            LifeboatError(
                .refused, what, subject: path,
                advice: "back up without --changed-extents; only new data is stored anyway")
        }
        guard let parent,
            let old = parent.body.volumes.first(where: { $0.name == volume })
        else {
            throw refusal("there is no earlier point that these changes could be based on")
        }
        guard text.base.count >= 12, parent.id.hex.hasPrefix(text.base.lowercased()) else {
            throw refusal(
                "the changes are based on point \(text.base.prefix(12)), but the backup would be "
                    + "compared with point \(parent.id.short)")
        }
        guard text.volume == volume else {
            throw refusal("the changes are those of volume \(text.volume), not of \(volume)")
        }
        guard text.size == size else {
            throw refusal("the changes are those of \(text.size) bytes, but the volume has \(size)")
        }
        self.init(text.extents, size: size, oldSize: old.size, chunkSize: chunkSize)
    }

    /// What a tracker says of a volume that had `oldSize` bytes when its base was made.
    init(_ changed: [Extent], size: UInt64, oldSize: UInt64, chunkSize: Int) {
        var extents = changed
        if oldSize != size {
            // What lies behind the smaller end has changed, whatever the tracker says of it; so
            // has the chunk that the end cuts.
            let end = min(oldSize, size)
            let start = end / UInt64(chunkSize) * UInt64(chunkSize)
            if start < size { extents.append(Extent(offset: start, length: size - start)) }
            extents.sort()
        }
        self.chunkSize = chunkSize
        chunkCount = BlockMapShape.chunkCount(size: size, chunkSize: chunkSize)
        let ranges = FileScanSource.chunkRanges(extents, chunkSize: UInt64(chunkSize))
        var sum: UInt64 = 0
        before = ranges.map { range in
            defer { sum += UInt64(range.count) }
            return sum
        }
        chunks = ranges
    }

    /// Reads a random sample of what the hint calls unchanged, holes included.
    ///
    /// `mismatch`: offset of a chunk that did change; the hint is worthless then.
    func audit(
        _ volume: any VolumeReader, parentRoot: BlockMapRoot, nodes: NodeReader,
        options: BackupOptions, hasher: KeyedHasher
    ) throws(LifeboatError) -> (bytes: UInt64, mismatch: UInt64?) {
        let changed = chunks.reduce(UInt64(0)) { $0 + ($1.upperBound - $1.lowerBound) }
        let unchanged = chunkCount - min(chunkCount, changed)
        let affordable = Int(options.auditBytes / UInt64(chunkSize))
        let count = min(UInt64(max(0, min(options.auditChunks, affordable))), unchanged)
        guard count > 0 else { return (0, nil) }
        let seed = options.auditSeed ?? UInt64.random(in: 0...UInt64.max)
        var generator = SampleGenerator(seed: seed)
        var sample: Set<UInt64> = []
        while UInt64(sample.count) < count {
            sample.insert(position(of: generator.next() % unchanged))
        }
        let walk = BlockMapWalk(nodes)
        let buffer = Buffer(capacity: chunkSize)
        var bytes: UInt64 = 0
        for chunk in sample.sorted() {
            let offset = chunk * UInt64(chunkSize)
            let length = Int(min(UInt64(chunkSize), volume.size - offset))
            let room = UnsafeMutableRawBufferPointer(rebasing: buffer.storage[0..<length])
            try volume.read(at: offset, into: room)
            bytes += UInt64(length)
            var expected = Digest.zero
            try walk.leaves(of: parentRoot, in: chunk..<chunk + 1) { first, ids in
                expected = ids[Int(chunk - first)]
            }
            let piece = UnsafeRawBufferPointer(room)
            let actual = Bytes.isZero(piece) ? .zero : hasher.digest(piece)
            if actual != expected { return (bytes, offset) }
        }
        return (bytes, nil)
    }

    /// The chunk that is the `number`th of those called unchanged.
    func position(of number: UInt64) -> UInt64 {
        var low = 0
        var high = chunks.count
        // How many unchanged chunks lie before each changed range grows with the range.
        while low < high {
            let middle = (low + high) / 2
            if chunks[middle].lowerBound - before[middle] <= number {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return number + (low == 0 ? 0 : before[low - 1] + UInt64(chunks[low - 1].count))
    }
}
