import LifeboatArchive
import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatStore
import LifeboatSystem

/// Fetches whole frames from the store or from the cache on the disk, and checks every chunk of
/// them. Safe from many threads; bounded numbers of readers and decoders bound its memory.
final class FrameSource: @unchecked Sendable {
    /// What decodes; used by one thread at a time.
    private final class Worker {
        let decoder: FrameDecoder
        let hasher: KeyedHasher

        init(_ repository: Repository) throws(LifeboatError) {
            decoder = FrameDecoder(store: repository.store, repository: repository.id)
            hasher = try repository.requireDomain().chunkHasher()
        }
    }

    private let repository: Repository
    private let disk: SealedFrameCache?
    private let buffers: BufferPool
    private let workerLimit: Int
    private let condition = Condition()
    private var idle: [Worker] = []
    private var workerCount = 0

    init(_ repository: Repository, disk: SealedFrameCache?) {
        self.repository = repository
        self.disk = disk
        let parallel = repository.store.parallelRequests
        workerLimit = Threads.processorCount
        buffers = BufferPool(
            count: max(parallel, workerLimit), capacity: FrameReadAhead.bufferByteCount)
    }

    private func take() throws(LifeboatError) -> Worker {
        condition.lock()
        while idle.isEmpty, workerCount >= workerLimit { condition.wait() }
        let known = idle.popLast()
        if known == nil { workerCount += 1 }
        condition.unlock()
        if let known { return known }
        do throws(LifeboatError) {
            return try Worker(repository)
        } catch {
            condition.withLock {
                workerCount -= 1
                condition.signal()
            }
            throw error
        }
    }

    private func give(_ worker: Worker) {
        condition.withLock {
            idle.append(worker)
            condition.signal()
        }
    }

    /// Fetches a frame; chunks in it that are damaged are marked, the others are good.
    ///
    /// - Throws: `.damaged` when nothing of the frame can be read.
    func fetch(_ number: Int, of pack: OpenPack, packs: PackCache) throws(LifeboatError)
        -> DecodedFrame
    {
        let length = Int(pack.directory.frames[number].sealedLength)
        let name = FrameName(pack: pack.name, frame: number)
        let buffer = buffers.take()
        defer { buffers.give(buffer) }
        guard length <= buffer.capacity else {
            // The decoder says what is wrong with it.
            return try decode(number, of: pack, sealed: nil)
        }
        let room = UnsafeMutableRawBufferPointer(rebasing: buffer.storage[0..<length])
        if let disk, disk.read(name, into: room) {
            if let frame = try? decode(number, of: pack, sealed: room),
                !frame.ids.contains(where: { $0 == nil })
            {
                return frame
            }
            disk.drop(name)
        }
        // What fails here is read again by the decoder, which tells why.
        let sealed =
            (try? repository.store.read(
                pack.object, at: UInt64(pack.directory.frames[number].offset), into: room))
                == length ? room : nil
        do throws(LifeboatError) {
            let frame = try decode(number, of: pack, sealed: sealed)
            if sealed != nil, !frame.ids.contains(where: { $0 == nil }) {
                disk?.keep(name, UnsafeRawBufferPointer(room))
            }
            return frame
        } catch {
            // Of a pack's key table nothing but its frames tells whether it came right.
            guard error.code == .damaged, packs.isRemote else { throw error }
            packs.forget(pack)
            return try decode(number, of: try packs.pack(pack.name), sealed: nil)
        }
    }

    private func decode(
        _ number: Int, of pack: OpenPack, sealed: UnsafeMutableRawBufferPointer?
    ) throws(LifeboatError) -> DecodedFrame {
        let worker = try take()
        defer { give(worker) }
        let directory = pack.directory
        let frame = directory.frames[number]
        let plain = Buffer(capacity: Int(frame.plainLength))
        try worker.decoder.decode(
            number, of: pack, plainCount: plain.capacity, fetched: sealed, into: plain.storage)
        var offsets = [0]
        var ids: [Digest?] = []
        let first = directory.firstSlots[number]
        for slot in directory.slots[first..<first + Int(frame.slotCount)] {
            let start = offsets[offsets.count - 1]
            let end = start + Int(slot.length)
            guard end <= plain.capacity else {
                throw LifeboatError(
                    .damaged, "frame \(number) is shorter than its chunks",
                    subject: ObjectNames.pack(pack.name).path)
            }
            let bytes = UnsafeRawBufferPointer(
                rebasing: UnsafeRawBufferPointer(plain.storage)[start..<end])
            ids.append(worker.hasher.digest(bytes) == slot.id ? slot.id : nil)
            offsets.append(end)
        }
        return DecodedFrame(
            name: FrameName(pack: pack.name, frame: number), ids: ids, offsets: offsets,
            buffer: plain)
    }
}
