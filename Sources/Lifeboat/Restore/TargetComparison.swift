import LifeboatArchive
import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatSystem
import LifeboatVolume

/// Finds out which chunks of a target are already what the block map says.
struct TargetComparison {
    private let restore: VolumeRestore
    private let target: any VolumeWriter
    private let stage: String

    /// Chunks that one thread compares at a time.
    private static let batchByteCount = 1 << 20

    init(_ restore: VolumeRestore, _ target: any VolumeWriter, stage: String? = nil) {
        self.restore = restore
        self.target = target
        self.stage = stage ?? restore.volume.name
    }

    /// For each chunk of `window`, whether the target holds what its id says.
    ///
    /// Holes are not read.
    func matches(
        _ window: Range<UInt64>, _ ids: [Digest]
    ) throws(LifeboatError) -> [Bool] {
        // A chunk of holes is zero; one that any extent touches is read.
        var hasData = [Bool](repeating: false, count: ids.count)
        let start = window.lowerBound * restore.chunkSize
        let end = min(restore.volume.size, window.upperBound * restore.chunkSize)
        let extents = try target.dataExtents(from: start, to: end)
        for range in FileScanSource.chunkRanges(extents, chunkSize: restore.chunkSize) {
            for chunk in range.clamped(to: window) {
                hasData[Int(chunk - window.lowerBound)] = true
            }
        }
        let result = Guarded(zip(ids, hasData).map { id, hasData in !hasData && id.isZero })
        let step = max(1, Self.batchByteCount / Int(restore.chunkSize))
        let next = Guarded(0)
        let failure = Guarded<LifeboatError?>(nil)
        let wanted = hasData
        Threads.run(count: restore.threads, name: "compare") { _ in
            do throws(LifeboatError) {
                let hasher = try restore.repository.requireDomain().chunkHasher()
                let buffer = Buffer(capacity: Int(restore.chunkSize) * step)
                while failure.withLock({ $0 == nil }), !restore.cancellation.isCancelled {
                    let first = next.withLock { next in
                        defer { next += step }
                        return next
                    }
                    guard first < ids.count else { return }
                    let last = min(ids.count, first + step)
                    guard wanted[first..<last].contains(true) else { continue }
                    let found = try compare(
                        window.lowerBound + UInt64(first), Array(ids[first..<last]),
                        Array(wanted[first..<last]), buffer, hasher)
                    result.withLock { result in
                        for (index, isSame) in found.enumerated() where wanted[first + index] {
                            result[first + index] = isSame
                        }
                    }
                    restore.events.tell(
                        .progress(
                            stage: stage,
                            done: restore.extent(window.lowerBound + UInt64(last - 1)).end,
                            total: restore.volume.size))
                }
            } catch {
                failure.withLock { $0 = $0 ?? error }
            }
        }
        try restore.cancellation.check()
        if let error = failure.withLock({ $0 }) { throw error }
        return result.withLock { $0 }
    }

    /// Compares neighbouring chunks from `first`; those without data are not looked at.
    private func compare(
        _ first: UInt64, _ ids: [Digest], _ wanted: [Bool], _ buffer: Buffer, _ hasher: KeyedHasher
    ) throws(LifeboatError) -> [Bool] {
        let offset = first * restore.chunkSize
        let end = restore.extent(first + UInt64(ids.count) - 1).end
        let room = UnsafeMutableRawBufferPointer(rebasing: buffer.storage[0..<Int(end - offset)])
        let got = try target.read(at: offset, into: room)
        var found = [Bool](repeating: false, count: ids.count)
        for index in ids.indices where wanted[index] {
            let start = index * Int(restore.chunkSize)
            let stop = min(room.count, start + Int(restore.chunkSize))
            guard stop <= got else { continue }
            let bytes = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(room)[start..<stop])
            found[index] =
                ids[index].isZero
                ? Bytes.isZero(bytes)
                : !Bytes.isZero(bytes) && hasher.digest(bytes) == ids[index]
        }
        return found
    }
}
