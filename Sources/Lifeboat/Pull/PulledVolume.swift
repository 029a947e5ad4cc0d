import LifeboatArchive
import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatSystem
import LifeboatVolume

/// A volume of a point in another repository, read as if it were a disk.
///
/// Every chunk is checked against its id there before it is told.
final class PulledVolume: VolumeReader {
    let name: String
    let size: UInt64
    private let restore: VolumeRestore

    init(_ restore: VolumeRestore, of point: Digest) {
        self.restore = restore
        name = "\(restore.volume.name) of point \(point.short)"
        size = restore.volume.size
    }

    var inUse: String? { nil }

    func currentSize() throws(LifeboatError) -> UInt64 { size }

    private func chunks(from start: UInt64, to end: UInt64) -> Range<UInt64> {
        let step = restore.chunkSize
        return start / step..<(min(end, size) + step - 1) / step
    }

    func extents(from start: UInt64, to end: UInt64) throws(LifeboatError) -> [Extent] {
        guard start < min(end, size) else { return [] }
        var result: [Extent] = []
        let root = BlockMapRoot(id: restore.volume.root, levels: restore.volume.levels)
        try BlockMapWalk(restore.nodes).leaves(of: root, in: chunks(from: start, to: end)) {
            first, children in
            for (slot, id) in children.enumerated() where !id.isZero {
                let chunk = first + UInt64(slot)
                guard chunk < restore.chunkCount else { break }
                let extent = restore.extent(chunk)
                let low = max(extent.offset, start)
                let high = min(extent.end, end)
                guard low < high else { continue }
                if let last = result.last, last.end == low {
                    result[result.count - 1].length += high - low
                } else {
                    result.append(Extent(offset: low, length: high - low))
                }
            }
        }
        return result
    }

    func read(
        at offset: UInt64, into target: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError) {
        guard target.count > 0 else { return }
        let end = offset + UInt64(target.count)
        guard end <= size else {
            throw LifeboatError(
                .unreadable, "\(name) ends at byte \(size), before byte \(end)", subject: name)
        }
        target.initializeMemory(as: UInt8.self, repeating: 0)
        let window = chunks(from: offset, to: end)
        let ids = try restore.ids(window)
        var wanted: [(chunk: UInt64, id: Digest)] = []
        for (index, id) in ids.enumerated() where !id.isZero {
            wanted.append((window.lowerBound + UInt64(index), id))
        }
        var missing: LifeboatError?
        let tasks = try FramePlanner(Locator(index: restore.index, packs: restore.packs))
            .plan(wanted) { _, fault in missing = missing ?? fault }
        if let missing { throw missing }
        let fetcher = try restore.takeFetcher()
        defer { restore.giveFetcher(fetcher) }
        for task in tasks {
            try restore.fetchOne(task, fetcher) { chunk, bytes throws(LifeboatError) in
                let start = restore.extent(chunk).offset
                let low = max(start, offset)
                let high = min(start + UInt64(bytes.count), end)
                guard low < high else { return }
                UnsafeMutableRawBufferPointer(
                    rebasing: target[Int(low - offset)..<Int(high - offset)]
                ).copyMemory(
                    from: UnsafeRawBufferPointer(
                        rebasing: bytes[Int(low - start)..<Int(high - start)]))
            }
        }
        if let lost = restore.lost.error(target: "this repository") { throw lost }
    }
}
