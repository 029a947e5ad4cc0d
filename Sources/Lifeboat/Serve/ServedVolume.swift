import LifeboatArchive
public import LifeboatCore
import LifeboatFormat
import LifeboatSystem

/// A volume of a point, for reads at random places.
///
/// Safe from many threads.
public final class ServedVolume: Sendable {
    /// A run of bytes that has data, or has none and reads as zeros.
    public struct Run: Hashable, Sendable {
        public var extent: Extent
        public var isHole: Bool
    }

    public let name: String
    /// Bytes.
    public let size: UInt64
    /// Whether it is a machine's definition instead of a disk.
    public let isDefinition: Bool

    private let access: PointAccess
    private let root: BlockMapRoot
    private let sequence: SequentialReads
    private let leaves = LeafCache()

    /// Bytes of a volume that one question for runs looks at: their answer must come soon.
    private static let runLimit: UInt64 = 4 << 30
    /// Runs that one answer has at most.
    private static let runCountLimit = 4096

    init(_ volume: PointBody.Volume, _ access: PointAccess) {
        name = volume.name
        size = volume.size
        isDefinition = volume.content == .definition
        root = BlockMapRoot(id: volume.root, levels: volume.levels)
        sequence = SequentialReads(window: access.window)
        self.access = access
    }

    /// Bytes that are best read at once.
    public var blockSize: Int { access.repository.chunkSize }

    private var chunkSize: UInt64 { UInt64(access.repository.chunkSize) }

    private func extent(_ chunk: UInt64) -> Extent {
        let offset = chunk * chunkSize
        return Extent(offset: offset, length: min(chunkSize, size - offset))
    }

    private func chunks(_ extent: Extent) -> Range<UInt64> {
        extent.offset / chunkSize..<(extent.end + chunkSize - 1) / chunkSize
    }

    /// Fills `target` with the bytes from `offset` on.
    ///
    /// - Throws: `.damaged` naming the range that is lost, and where; bytes beside it can be read
    ///   all the same. `.unavailable` when the store does not answer.
    public func read(
        at offset: UInt64, into target: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError) {
        let count = UInt64(target.count)
        guard count > 0 else { return }
        guard offset <= size, count <= size - offset else {
            throw LifeboatError(
                .usage, "there is nothing behind the end of volume \(name)", subject: name)
        }
        if let ahead = sequence.note(offset: offset, count: count) { readAhead(ahead) }
        let wanted = Extent(offset: offset, length: count)
        var position = offset
        try visit(chunks(wanted)) { chunk, bytes throws(LifeboatError) in
            let place = extent(chunk)
            let start = max(place.offset, wanted.offset)
            let end = min(place.end, wanted.end)
            let room = UnsafeMutableRawBufferPointer(
                rebasing: target[Int(start - offset)..<Int(end - offset)])
            if let bytes {
                room.copyMemory(
                    from: UnsafeRawBufferPointer(
                        rebasing: bytes[Int(start - place.offset)..<Int(end - place.offset)]))
            } else {
                room.initializeMemory(as: UInt8.self, repeating: 0)
            }
            position = end
        }
        guard position == wanted.end else {
            throw LifeboatError(.internalFault, "a read ended early", subject: name)
        }
    }

    /// Brings bytes into the caches, as far as they can hold them.
    public func prefetch(_ extent: Extent) throws(LifeboatError) {
        guard extent.offset < size else { return }
        let end = min(size, extent.offset + min(extent.length, size))
        let step = max(chunkSize, 32 << 20)
        var position = extent.offset
        while position < end {
            let part = Extent(offset: position, length: min(step, end - position))
            try visit(chunks(part)) { _, _ throws(LifeboatError) in }
            position = part.end
        }
    }

    /// Calls `body` with each chunk's bytes in order, and `nil` for one of zeros.
    private func visit(
        _ range: Range<UInt64>,
        _ body: (UInt64, UnsafeRawBufferPointer?) throws(LifeboatError) -> Void
    ) throws(LifeboatError) {
        let ids = try access.looking { sight throws(LifeboatError) in try self.ids(range, sight) }
        fetchBeside(ids)
        var locator: Locator?
        for (index, id) in ids.enumerated() {
            let chunk = range.lowerBound + UInt64(index)
            if id.isZero {
                try body(chunk, nil)
                continue
            }
            let found: (frame: DecodedFrame, slot: Int)
            do throws(LifeboatError) {
                if let known = access.frames.chunk(id) {
                    found = known
                } else {
                    found = try access.looking { sight throws(LifeboatError) in
                        let used = locator ?? Locator(index: sight.index, packs: sight.packs)
                        // What was found in a view that is past is not good for a newer one.
                        locator = nil
                        let found = try access.chunk(id, used, sight)
                        locator = used
                        return found
                    }
                }
                guard UInt64(found.frame.bytes(found.slot).count) == extent(chunk).length else {
                    throw LifeboatError(
                        .damaged, "a chunk has not the length that belongs here",
                        subject: "chunk \(id.short)")
                }
            } catch {
                throw told(error, extent(chunk))
            }
            try withExtendedLifetime(found.frame) { () throws(LifeboatError) in
                try body(chunk, found.frame.bytes(found.slot))
            }
        }
    }

    /// Asks helpers for all frames of a read but the first, which the reader fetches itself.
    private func fetchBeside(_ ids: [Digest]) {
        var missing = ids.filter { !$0.isZero && access.frames.chunk($0) == nil }
        guard missing.count > 1 else { return }
        let first = missing.removeFirst()
        access.helpers.ask(isUrgent: true) { [access, missing] in
            try? access.looking { sight throws(LifeboatError) in
                let locator = Locator(index: sight.index, packs: sight.packs)
                var asked: Set<FrameName> = []
                if let place = try? locator.find(first) {
                    asked.insert(FrameName(pack: place.pack.name, frame: place.frame))
                }
                for id in missing {
                    guard let place = try? locator.find(id) else { continue }
                    let name = FrameName(pack: place.pack.name, frame: place.frame)
                    guard asked.insert(name).inserted else { continue }
                    access.helpers.ask(isUrgent: true) { [access] in
                        _ = try? access.frame(place, sight)
                    }
                }
            }
        }
    }

    /// Asks helpers for what will be read next.
    private func readAhead(_ range: Range<UInt64>) {
        let end = min(size, range.upperBound)
        let step: UInt64 = 4 << 20
        var position = range.lowerBound
        while position < end {
            let part = Extent(offset: position, length: min(step, end - position))
            position = part.end
            access.helpers.ask(isUrgent: false) { [weak self] in
                guard let self else { return }
                // What cannot be read is told to who wants it.
                try? visit(chunks(part)) { _, _ throws(LifeboatError) in }
            }
        }
    }

    private func told(_ fault: LifeboatError, _ extent: Extent) -> LifeboatError {
        LifeboatError(
            fault.code,
            "bytes \(extent.offset) to \(extent.end) of volume \(name) cannot be read",
            subject: fault.subject, cause: fault.message, advice: fault.advice)
    }

    /// The ids of chunks, zeros included.
    private func ids(
        _ range: Range<UInt64>, _ sight: PointAccess.Sight
    ) throws(LifeboatError) -> [Digest] {
        var ids = [Digest](repeating: .zero, count: Int(range.upperBound - range.lowerBound))
        let fanOut = UInt64(BlockMapShape.fanOut)
        var chunk = range.lowerBound
        while chunk < range.upperBound {
            let leaf = chunk / fanOut
            let children = try self.leaf(leaf, range, sight)
            let end = min(range.upperBound, (leaf + 1) * fanOut)
            while chunk < end {
                if !children.isEmpty {
                    ids[Int(chunk - range.lowerBound)] = children[Int(chunk % fanOut)]
                }
                chunk += 1
            }
        }
        return ids
    }

    /// The ids of a leaf; none when it holds only zeros.
    private func leaf(
        _ number: UInt64, _ wanted: Range<UInt64>, _ sight: PointAccess.Sight
    ) throws(LifeboatError) -> [Digest] {
        if let known = leaves.leaf(number) { return known }
        let fanOut = UInt64(BlockMapShape.fanOut)
        let range = number * fanOut..<(number + 1) * fanOut
        var found: [Digest] = []
        do throws(LifeboatError) {
            try BlockMapWalk(sight.nodes).leaves(of: root, in: range) {
                _, children throws(LifeboatError) in found = children
            }
        } catch {
            guard error.code == .damaged else { throw error }
            let lost = range.clamped(to: wanted)
            let start = lost.lowerBound * chunkSize
            let end = min(size, lost.upperBound * chunkSize)
            throw told(error, Extent(offset: start, length: end - start))
        }
        leaves.keep(number, found)
        return found
    }

    /// What of an extent has data and what reads as zeros, in order, from its start on.
    ///
    /// The answer may end earlier than the extent. What the block map does not tell because it is
    /// damaged counts as data: reading it says what is wrong.
    public func runs(_ extent: Extent) throws(LifeboatError) -> [Run] {
        guard extent.offset < size, extent.length > 0 else { return [] }
        let length = min(extent.length, Self.runLimit, size - extent.offset)
        let asked = Extent(offset: extent.offset, length: length)
        return try access.looking { sight throws(LifeboatError) in try runs(asked, sight) }
    }

    private func runs(
        _ asked: Extent, _ sight: PointAccess.Sight
    ) throws(LifeboatError) -> [Run] {
        var runs: [Run] = []
        var position = asked.offset
        func add(upTo end: UInt64, isHole: Bool) {
            let end = min(end, asked.end)
            guard end > position else { return }
            if let last = runs.last, last.isHole == isHole {
                runs[runs.count - 1].extent.length = end - last.extent.offset
            } else {
                runs.append(
                    Run(
                        extent: Extent(offset: position, length: end - position),
                        isHole: isHole))
            }
            position = end
        }
        var isFull = false
        try BlockMapWalk(sight.nodes).leaves(
            of: root, in: chunks(asked),
            unreadable: { range, _ throws(LifeboatError) in
                add(upTo: range.lowerBound * chunkSize, isHole: true)
                add(upTo: range.upperBound * chunkSize, isHole: false)
            },
            { first, children throws(LifeboatError) in
                guard !isFull else { return }
                for (slot, id) in children.enumerated() where !id.isZero {
                    let chunk = first + UInt64(slot)
                    add(upTo: chunk * chunkSize, isHole: true)
                    add(upTo: (chunk + 1) * chunkSize, isHole: false)
                }
                isFull = runs.count >= Self.runCountLimit
            })
        if !isFull { add(upTo: asked.end, isHole: true) }
        return runs
    }
}
