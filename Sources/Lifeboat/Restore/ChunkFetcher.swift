import LifeboatArchive
import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatSystem
import LifeboatStore

/// A frame to be read once, and the chunks of it that are wanted.
struct FrameTask: Sendable {
    struct Item: Sendable {
        /// Index of the slot in the frame.
        var slot: Int
        var chunk: UInt64
        var id: Digest
    }

    var pack: OpenPack
    var frame: Int
    var items: [Item]
}

/// Finds out which frames hold the chunks of a window, each frame once.
struct FramePlanner {
    private let locator: Locator

    init(_ locator: Locator) { self.locator = locator }

    private struct FrameName: Hashable {
        let pack: Digest
        let frame: Int
    }

    /// One in so many chunks is looked up to learn which packs will be needed: frames mostly have
    /// more chunks.
    private static let sampling = 16

    /// Opens the packs that a plan of these chunks will need, where that waits for a network.
    func openAhead(_ chunks: [(chunk: UInt64, id: Digest)]) throws(LifeboatError) {
        guard locator.isRemote else { return }
        var names: Set<Digest> = []
        var order: [Digest] = []
        for index in stride(from: 0, to: chunks.count, by: Self.sampling) {
            guard let name = try locator.packName(chunks[index].id) else { continue }
            if names.insert(name).inserted { order.append(name) }
        }
        locator.packs.open(ahead: order)
    }

    /// Tasks in the order of the first chunk that each serves.
    ///
    /// Chunks that no readable pack holds go to `lost` instead.
    func plan(
        _ chunks: [(chunk: UInt64, id: Digest)], lost: (UInt64, LifeboatError) -> Void
    ) throws(LifeboatError) -> [FrameTask] {
        try openAhead(chunks)
        var tasks: [FrameTask] = []
        var numbers: [FrameName: Int] = [:]
        for (chunk, id) in chunks {
            let place: Locator.Place
            do throws(LifeboatError) {
                place = try locator.find(id)
            } catch {
                guard error.code == .damaged else { throw error }
                lost(chunk, error)
                continue
            }
            let item = FrameTask.Item(slot: place.slot, chunk: chunk, id: id)
            let name = FrameName(pack: place.pack.name, frame: place.frame)
            if let number = numbers[name] {
                tasks[number].items.append(item)
            } else {
                numbers[name] = tasks.count
                tasks.append(FrameTask(pack: place.pack, frame: place.frame, items: [item]))
            }
        }
        return tasks
    }
}

/// Reads frames and hands out their chunks, each checked against its id; one a worker thread.
final class ChunkFetcher {
    private let decoder: FrameDecoder
    private let hasher: KeyedHasher
    private let plain = Buffer(capacity: PackLayout.frameByteLimit)

    init(_ repository: Repository) throws(LifeboatError) {
        decoder = FrameDecoder(store: repository.store, repository: repository.id)
        hasher = try repository.requireDomain().chunkHasher()
    }

    /// Decodes a frame as far as it is wanted, and gives the wanted chunks' bytes to `body`.
    ///
    /// `body` gets the first chunk of a run whose chunks are neighbours in frame and volume, and
    /// the bytes of them all.
    /// `place` may name room for a whole run, which is then decoded right there; `body` gets it
    /// only when it was checked. `spill` takes the chunks behind the last wanted one.
    /// `fetched`: the frame's sealed bytes, where they have been read already.
    /// - Throws: `.damaged` naming the pack; nothing wrong is ever given to `body`.
    func fetch(
        _ task: FrameTask, chunkSize: UInt64, volumeSize: UInt64,
        fetched: UnsafeMutableRawBufferPointer? = nil,
        place: ((UInt64, Int) -> UnsafeMutableRawBufferPointer)? = nil, spill: ChunkSpill? = nil,
        _ body: (UInt64, UnsafeRawBufferPointer) throws(LifeboatError) -> Void
    ) throws(LifeboatError) {
        let directory = task.pack.directory
        let first = directory.firstSlots[task.frame]
        let lastSlot = task.items.map(\.slot).max() ?? 0
        var offsets: [Int] = []
        offsets.reserveCapacity(lastSlot + 2)
        var offset = 0
        for slot in directory.slots[first...first + lastSlot] {
            offsets.append(offset)
            offset += Int(slot.length)
        }
        offsets.append(offset)
        var storage = plain.storage
        // Lengths are the directory's word: they are checked before anything is placed by them.
        let frame = directory.frames[task.frame]
        let spillsRest = spill != nil && lastSlot + 1 < Int(frame.slotCount)
        let isPlaced =
            !spillsRest
            && task.items.indices.allSatisfy { index in
                let item = task.items[index]
                return item.slot == index && item.chunk == task.items[0].chunk + UInt64(index)
                    && UInt64(offsets[index + 1] - offsets[index])
                        == min(chunkSize, volumeSize - item.chunk * chunkSize)
            }
        if let place, let start = task.items.first?.chunk, isPlaced {
            storage = place(start, offset)
        }
        try decoder.decode(
            task.frame, of: task.pack, plainCount: spillsRest ? Int(frame.plainLength) : offset,
            fetched: fetched, into: storage)
        var checked = -1
        var run: (chunk: UInt64, next: UInt64, slot: Int, start: Int, end: Int)?
        func flush() throws(LifeboatError) {
            guard let done = run else { return }
            run = nil
            try body(
                done.chunk,
                UnsafeRawBufferPointer(
                    rebasing: UnsafeRawBufferPointer(storage)[done.start..<done.end]))
        }
        for item in task.items {
            let bytes = UnsafeRawBufferPointer(
                rebasing: UnsafeRawBufferPointer(storage)[
                    offsets[item.slot]..<offsets[item.slot + 1]])
            // The same slot may serve several chunks of the volume, one after the other.
            if item.slot != checked {
                guard hasher.digest(bytes) == item.id else {
                    throw LifeboatError(
                        .damaged,
                        "slot \(item.slot) of frame \(task.frame) is not what its id says",
                        subject: ObjectNames.pack(task.pack.name).path,
                        advice: "run verify to learn what is lost")
                }
                checked = item.slot
            }
            let length = min(chunkSize, volumeSize - item.chunk * chunkSize)
            guard UInt64(bytes.count) == length else {
                throw LifeboatError(
                    .damaged, "a chunk has \(bytes.count) bytes where \(length) belong",
                    subject: ObjectNames.pack(task.pack.name).path)
            }
            if let current = run, current.next == item.chunk, current.slot + 1 == item.slot {
                run = (
                    current.chunk, item.chunk + 1, item.slot, current.start, offsets[item.slot + 1]
                )
            } else {
                try flush()
                run = (
                    item.chunk, item.chunk + 1, item.slot, offsets[item.slot],
                    offsets[item.slot + 1]
                )
            }
        }
        try flush()
        guard spillsRest, let spill else { return }
        for slot in directory.slots[first + lastSlot + 1..<first + Int(frame.slotCount)] {
            let bytes = UnsafeRawBufferPointer(
                rebasing: UnsafeRawBufferPointer(storage)[offset..<offset + Int(slot.length)])
            offset += Int(slot.length)
            // What is damaged is not kept; it is told when it is wanted.
            if hasher.digest(bytes) == slot.id { spill.keep(slot.id, bytes) }
        }
    }
}
