import LifeboatCore
import LifeboatFormat
import LifeboatSystem
import LifeboatVolume

/// A few MiB of a volume on their way through the pipeline.
final class ScanBatch: @unchecked Sendable {
    /// What a worker found out about a chunk.
    enum Finding: UInt8 {
        /// Not looked at; only with a hint.
        case untouched
        case zero
        /// Its fingerprint is the one it had in the parent.
        case matching
        case hashed
    }

    /// Position in the order of the volume.
    let number: Int
    /// Index of the first chunk.
    let first: UInt64
    let count: Int
    /// Bytes of the volume that the batch spans; less than `count` chunks at the volume's end.
    let byteCount: Int
    /// Chunks to read, as ranges within the batch.
    var reads: [Range<Int>]
    /// Chunks that have become zero and need no reading, as ranges within the batch.
    let zeros: [Range<Int>]
    /// Whether chunks that are not read are zero, or stay as they are in the parent.
    var restIsZero: Bool
    let buffer: Buffer
    /// Whether the buffer holds the bytes already.
    var isLoaded: Bool

    var findings: [Finding]
    var ids: [Digest]

    init(
        number: Int, first: UInt64, count: Int, byteCount: Int, reads: [Range<Int>],
        zeros: [Range<Int>] = [], restIsZero: Bool, buffer: Buffer, isLoaded: Bool
    ) {
        self.number = number
        self.first = first
        self.count = count
        self.byteCount = byteCount
        self.reads = reads
        self.zeros = zeros
        self.restIsZero = restIsZero
        self.buffer = buffer
        self.isLoaded = isLoaded
        findings = [Finding](repeating: restIsZero ? .zero : .untouched, count: count)
        ids = [Digest](repeating: .zero, count: count)
        for range in zeros {
            for index in range { findings[index] = .zero }
        }
    }

    /// The bytes of chunk `index` of the batch.
    func chunk(_ index: Int, chunkSize: Int) -> UnsafeRawBufferPointer {
        let start = index * chunkSize
        return UnsafeRawBufferPointer(
            rebasing: UnsafeRawBufferPointer(buffer.storage)[
                start..<min(byteCount, start + chunkSize)])
    }
}

/// Cuts what is to be read into batches, in the order of the volume.
///
/// Used by one thread at a time.
protocol ScanSource: AnyObject {
    /// The next batch; `nil` at the end. A stream is read here, a file later by the worker.
    func next(into buffer: Buffer, number: Int) throws(LifeboatError) -> ScanBatch?
    /// Bytes of the volume; known at the end for a stream.
    var size: UInt64 { get }
}

/// Everything that the file system does not call a hole, or of that only what a hint calls changed.
final class FileScanSource: ScanSource {
    /// Extents are asked for in pieces of this many bytes.
    private static let windowByteCount: UInt64 = 1 << 30

    private let volume: any VolumeReader
    private let chunkSize: UInt64
    private let batchChunks: UInt64
    private let chunkCount: UInt64
    /// Changed chunks, ascending; `nil` for all.
    private let changed: [Range<UInt64>]?
    private var changedPosition = 0
    private var data: [Range<UInt64>] = []
    private var dataPosition = 0
    private var dataEnd: UInt64 = 0
    private var position: UInt64 = 0

    let size: UInt64

    init(
        _ volume: any VolumeReader, chunkSize: Int, batchChunks: Int,
        changed: [Range<UInt64>]?
    ) {
        self.volume = volume
        self.chunkSize = UInt64(chunkSize)
        self.batchChunks = UInt64(batchChunks)
        self.changed = changed
        size = volume.size
        chunkCount = BlockMapShape.chunkCount(size: volume.size, chunkSize: chunkSize)
    }

    func next(into buffer: Buffer, number: Int) throws(LifeboatError) -> ScanBatch? {
        guard let start = try changed == nil ? nextData() : nextChanged() else { return nil }
        let first = start / batchChunks * batchChunks
        let end = min(chunkCount, first + batchChunks)
        var reads: [Range<Int>] = []
        if let changed {
            var zeros: [Range<Int>] = []
            while changedPosition < changed.count, changed[changedPosition].lowerBound < end {
                let piece = changed[changedPosition].clamped(to: first..<end)
                if !piece.isEmpty {
                    // A disk that was trimmed has changed, and there is nothing to read.
                    let (data, holes) = try split(piece, batch: first..<end)
                    reads += data.map { local($0, first) }
                    zeros += holes.map { local($0, first) }
                }
                if changed[changedPosition].upperBound > end { break }
                changedPosition += 1
            }
            position = end
            return batch(number, first, end, reads, zeros, false, buffer)
        }
        while let next = try nextData(), next < end {
            let piece = data[dataPosition].clamped(to: max(first, position)..<end)
            reads.append(local(piece, first))
            position = piece.upperBound
        }
        position = end
        return batch(number, first, end, reads, [], true, buffer)
    }

    private func local(_ range: Range<UInt64>, _ first: UInt64) -> Range<Int> {
        Int(range.lowerBound - first)..<Int(range.upperBound - first)
    }

    private func batch(
        _ number: Int, _ first: UInt64, _ end: UInt64, _ reads: [Range<Int>],
        _ zeros: [Range<Int>], _ restIsZero: Bool, _ buffer: Buffer
    ) -> ScanBatch {
        ScanBatch(
            number: number, first: first, count: Int(end - first),
            byteCount: Int(min(size, end * chunkSize) - first * chunkSize), reads: reads,
            zeros: zeros, restIsZero: restIsZero, buffer: buffer, isLoaded: false)
    }

    /// The parts of `piece` that the volume has data for, and those that read as zeros.
    private func split(
        _ piece: Range<UInt64>, batch: Range<UInt64>
    ) throws(LifeboatError) -> (data: [Range<UInt64>], holes: [Range<UInt64>]) {
        if batch.upperBound * chunkSize > dataEnd, dataEnd < size {
            let start = batch.lowerBound * chunkSize
            let end = min(size, max(batch.upperBound * chunkSize, start + Self.windowByteCount))
            data = Self.chunkRanges(
                try volume.extents(from: start, to: end), chunkSize: chunkSize)
            dataPosition = 0
            dataEnd = end
        }
        while dataPosition < data.count, data[dataPosition].upperBound <= piece.lowerBound {
            dataPosition += 1
        }
        var found: (data: [Range<UInt64>], holes: [Range<UInt64>]) = ([], [])
        var position = piece.lowerBound
        for range in data[dataPosition...] {
            let part = range.clamped(to: piece)
            if range.lowerBound >= piece.upperBound { break }
            if part.isEmpty { continue }
            if part.lowerBound > position { found.holes.append(position..<part.lowerBound) }
            found.data.append(part)
            position = part.upperBound
        }
        if position < piece.upperBound { found.holes.append(position..<piece.upperBound) }
        return found
    }

    private func nextChanged() throws(LifeboatError) -> UInt64? {
        guard let changed else { return nil }
        while changedPosition < changed.count, changed[changedPosition].upperBound <= position {
            changedPosition += 1
        }
        guard changedPosition < changed.count else { return nil }
        let start = max(position, changed[changedPosition].lowerBound)
        return start < chunkCount ? start : nil
    }

    /// The next chunk at or behind `position` that the file has data for.
    private func nextData() throws(LifeboatError) -> UInt64? {
        while true {
            while dataPosition < data.count {
                if data[dataPosition].upperBound > position {
                    return max(position, data[dataPosition].lowerBound)
                }
                dataPosition += 1
            }
            guard dataEnd < size else { return nil }
            let end = min(size, dataEnd + Self.windowByteCount)
            data = Self.chunkRanges(
                try volume.extents(from: dataEnd, to: end), chunkSize: chunkSize)
            dataPosition = 0
            dataEnd = end
        }
    }

    /// The chunks that extents touch, neighbours joined.
    static func chunkRanges(_ extents: [Extent], chunkSize: UInt64) -> [Range<UInt64>] {
        var ranges: [Range<UInt64>] = []
        for extent in extents where extent.length > 0 {
            let range = extent.offset / chunkSize..<(extent.end + chunkSize - 1) / chunkSize
            if let last = ranges.last, range.lowerBound <= last.upperBound {
                let end = max(last.upperBound, range.upperBound)
                ranges[ranges.count - 1] = last.lowerBound..<end
            } else {
                ranges.append(range)
            }
        }
        return ranges
    }
}

/// Standard input: read in order, of a size that shows at the end.
final class StreamScanSource: ScanSource {
    private let stream: StreamVolume
    private let chunkSize: Int
    private let batchChunks: Int
    private var hasEnded = false
    private(set) var size: UInt64 = 0

    init(_ stream: StreamVolume, chunkSize: Int, batchChunks: Int) {
        self.stream = stream
        self.chunkSize = chunkSize
        self.batchChunks = batchChunks
    }

    func next(into buffer: Buffer, number: Int) throws(LifeboatError) -> ScanBatch? {
        guard !hasEnded else { return nil }
        let room = UnsafeMutableRawBufferPointer(
            rebasing: buffer.storage[0..<chunkSize * batchChunks])
        let count = try stream.read(into: room)
        hasEnded = count < room.count
        guard count > 0 else { return nil }
        let first = size / UInt64(chunkSize)
        size += UInt64(count)
        let chunks = (count + chunkSize - 1) / chunkSize
        return ScanBatch(
            number: number, first: first, count: chunks, byteCount: count, reads: [0..<chunks],
            restIsZero: true, buffer: buffer, isLoaded: true)
    }
}
