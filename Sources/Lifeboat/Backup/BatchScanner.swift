import LifeboatCodec
import LifeboatCore
import LifeboatSystem
import LifeboatVolume

/// Reads batches and finds out what their chunks are; one a worker thread.
final class BatchScanner {
    private let hasher: KeyedHasher
    private let chunkSize: Int
    private let volume: (any VolumeReader)?
    private let oldTags: FingerprintFile?
    private let newTags: FingerprintFile?
    private let fingerprinter: Fingerprinter?

    init(
        hasher: KeyedHasher, chunkSize: Int, volume: (any VolumeReader)?,
        oldTags: FingerprintFile?, newTags: FingerprintFile?
    ) {
        self.hasher = hasher
        self.chunkSize = chunkSize
        self.volume = volume
        self.oldTags = oldTags
        self.newTags = newTags
        fingerprinter = (newTags ?? oldTags).map { Fingerprinter(key: $0.key) }
    }

    func scan(_ batch: ScanBatch) throws(LifeboatError) {
        var tags: [FingerprintTag]?
        if newTags != nil {
            tags = [FingerprintTag](repeating: .init(low: 0, high: 0), count: batch.count)
        }
        let old = try oldTags?.tags(from: batch.first, count: batch.count)
        for range in batch.reads {
            // Piece by piece, so that what was read is still in the processor's cache when it
            // is hashed.
            var start = range.lowerBound
            let step = max(1, Self.pieceByteCount / chunkSize)
            while start < range.upperBound {
                let end = min(range.upperBound, start + step)
                try load(batch, start..<end)
                for index in start..<end { examine(batch, index, old, &tags) }
                start = end
            }
        }
        guard let newTags, let tags else { return }
        if batch.restIsZero {
            try newTags.write(tags, from: batch.first)
        } else {
            for range in batch.reads + batch.zeros {
                try newTags.write(
                    Array(tags[range]), from: batch.first + UInt64(range.lowerBound))
            }
        }
    }

    /// Half a core's second-level cache.
    private static let pieceByteCount = 512 << 10

    private func load(_ batch: ScanBatch, _ range: Range<Int>) throws(LifeboatError) {
        guard !batch.isLoaded, let volume else { return }
        let start = range.lowerBound * chunkSize
        let end = min(batch.byteCount, range.upperBound * chunkSize)
        try volume.read(
            at: batch.first * UInt64(chunkSize) + UInt64(start),
            into: UnsafeMutableRawBufferPointer(rebasing: batch.buffer.storage[start..<end]))
    }

    private func examine(
        _ batch: ScanBatch, _ index: Int, _ old: [FingerprintTag]?, _ tags: inout [FingerprintTag]?
    ) {
        let bytes = batch.chunk(index, chunkSize: chunkSize)
        if Bytes.isZero(bytes) {
            batch.findings[index] = .zero
            return
        }
        if let fingerprinter {
            let tag = fingerprinter.tag(bytes)
            tags?[index] = tag
            if let old, old[index] == tag {
                batch.findings[index] = .matching
                return
            }
        }
        batch.ids[index] = hasher.digest(bytes)
        batch.findings[index] = .hashed
    }
}
