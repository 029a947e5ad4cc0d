import LifeboatArchive
import LifeboatCodec
import LifeboatCore
import LifeboatStore
import LifeboatFormat
import LifeboatStore
import LifeboatSystem

/// Writes one volume to standard output.
///
/// One thread plans windows of the volume, workers put them together, and one thread writes them
/// in order, all at once; a fixed number of windows bounds the memory.
final class StreamRestore: @unchecked Sendable {
    /// A piece of the volume that is being put together.
    private final class Window: @unchecked Sendable {
        let buffer: Buffer
        var start: UInt64 = 0
        var byteCount = 0
        /// Frames that are still to come.
        ///
        /// Guarded by `guardian`.
        var missing = 0
        init(capacity: Int) { buffer = Buffer(capacity: capacity) }
    }

    private static let windowByteCount = 16 << 20
    private static let windowCount = 5
    /// Large enough that a request is worth its wait, small enough that several go at once.
    private static let rangeByteLimit = 2 << 20
    private static let spillByteLimit: UInt64 = 4 << 30
    private static let advice = "the archive; restore it to a file to get it"

    private let restore: VolumeRestore
    private let output: File
    private let guardian = Condition()
    private var failure: LifeboatError?
    private let free = BoundedQueue<Window>(capacity: windowCount)
    private let order = BoundedQueue<Window>(capacity: windowCount)
    private let work = BoundedQueue<(Window, FrameReadAhead.Range)>(capacity: 256)
    /// Frames whose bytes have been read, where reading waits for a network.
    private let read = BoundedQueue<(Window, FrameReadAhead.Range)>(capacity: 8)
    private let readBuffers: BufferPool
    private let readers: Int

    private let spill: ChunkSpill?

    init(_ restore: VolumeRestore, descriptor: Int32) {
        self.restore = restore
        spill = ChunkSpill(
            restore.repository.directories,
            byteLimit: min(Self.spillByteLimit, restore.volume.size))
        let parallel = restore.repository.store.parallelRequests
        readers = parallel > 1 ? parallel : 0
        readBuffers = BufferPool(
            count: parallel + restore.threads, capacity: FrameReadAhead.bufferByteCount)
        output = File(descriptor: descriptor, path: "standard output", owned: false)
    }

    /// - Throws: the first fault; a stream cannot go on behind what is missing.
    func run() throws(LifeboatError) {
        let windowChunks = UInt64(max(1, Self.windowByteCount / Int(restore.chunkSize)))
        let capacity = Int(windowChunks) * Int(restore.chunkSize)
        for _ in 0..<Self.windowCount { _ = free.push(Window(capacity: capacity)) }
        restore.events.tell(.started(stage: restore.volume.name, total: restore.volume.size))
        let writer = Threads.start(name: "output") { [self] in writeWindows() }
        let readers = (0..<readers).map { _ in
            Threads.start(name: "fetch") { [self] in readAhead() }
        }
        let workers = (0..<restore.threads).map { _ in
            Threads.start(name: "restore") { [self] in fetchFrames() }
        }
        do throws(LifeboatError) {
            try plan(windowChunks)
        } catch {
            fail(error)
        }
        work.close()
        order.close()
        for reader in readers { reader.join() }
        read.close()
        for worker in workers { worker.join() }
        writer.join()
        if let failure = guardian.withLock({ failure }) { throw failure }
        restore.events.tell(.finished(stage: restore.volume.name))
    }

    private func fail(_ error: LifeboatError) {
        guardian.withLock {
            if failure == nil { failure = error }
            guardian.broadcast()
        }
        free.abort()
        order.abort()
        work.abort()
        read.abort()
        readBuffers.close()
    }

    /// Reads frames before they are decoded; one that cannot be read tells why when it is.
    private func readAhead() {
        while let (window, range) = work.pop() {
            var range = range
            let isKept =
                spill.map { spill in
                    range.tasks.allSatisfy { $0.items.allSatisfy { spill.holds($0.id) } }
                } ?? false
            if !isKept {
                range.buffer = FrameReadAhead.read(
                    range.tasks[0].pack, at: range.offset, count: range.count,
                    restore.repository.store, readBuffers)
            }
            guard read.push((window, range)) else { return }
        }
    }

    private func nextRange() -> (Window, FrameReadAhead.Range)? {
        readers > 0 ? read.pop() : work.pop()
    }

    /// Frames that are read with one request; where nothing waits for a network, each by itself.
    private func ranges(_ tasks: [FrameTask]) -> [FrameReadAhead.Range] {
        FrameReadAhead.ranges(tasks, limit: readers > 0 ? Self.rangeByteLimit : 0)
    }

    private func plan(_ windowChunks: UInt64) throws(LifeboatError) {
        let planner = FramePlanner(Locator(index: restore.index, packs: restore.packs))
        let foresight = PackForesight(restore, from: 0)
        defer { foresight.end() }
        var position: UInt64 = 0
        while position < restore.chunkCount {
            try restore.cancellation.check()
            foresight.reached(position)
            guard let window = free.pop() else { return }
            let chunks = position..<min(restore.chunkCount, position + windowChunks)
            let ids = try restore.ids(chunks)
            window.start = position * restore.chunkSize
            window.byteCount = Int(
                min(restore.volume.size, chunks.upperBound * restore.chunkSize) - window.start)
            var wanted: [(chunk: UInt64, id: Digest)] = []
            for (index, id) in ids.enumerated() {
                let chunk = position + UInt64(index)
                if id.isZero { clear(chunk, window) } else { wanted.append((chunk, id)) }
            }
            var missing: (chunk: UInt64, fault: LifeboatError)?
            let tasks = try planner.plan(wanted) { chunk, fault in
                if missing == nil { missing = (chunk, fault) }
            }
            if let missing {
                restore.lost.add(restore.extent(missing.chunk), missing.fault)
                throw restore.lost.error(target: Self.advice) ?? missing.fault
            }
            guardian.withLock { window.missing = tasks.count }
            guard order.push(window) else { return }
            for range in ranges(tasks) { guard work.push((window, range)) else { return } }
            position = chunks.upperBound
        }
    }

    private func clear(_ chunk: UInt64, _ window: Window) {
        let extent = restore.extent(chunk)
        let offset = Int(extent.offset - window.start)
        UnsafeMutableRawBufferPointer(
            rebasing: window.buffer.storage[offset..<offset + Int(extent.length)]
        ).initializeMemory(as: UInt8.self, repeating: 0)
    }

    private func fetchFrames() {
        do throws(LifeboatError) {
            let fetcher = try restore.takeFetcher()
            while let (window, range) = nextRange() {
                defer { if let buffer = range.buffer { readBuffers.give(buffer) } }
                for task in range.tasks { try restoreFrame(task, of: range, window, fetcher) }
            }
        } catch {
            fail(error)
        }
    }

    private func restoreFrame(
        _ task: FrameTask, of range: FrameReadAhead.Range, _ window: Window,
        _ fetcher: ChunkFetcher
    ) throws(LifeboatError) {
        let room = { (chunk: UInt64, count: Int) in
            let offset = Int(chunk * self.restore.chunkSize - window.start)
            return UnsafeMutableRawBufferPointer(
                rebasing: window.buffer.storage[offset..<offset + count])
        }
        var missing = task
        missing.items.removeAll { item in
            let length = Int(restore.extent(item.chunk).length)
            return spill?.read(item.id, into: room(item.chunk, length)) ?? false
        }
        if !missing.items.isEmpty {
            try restore.fetchOne(
                missing, fetcher, fetched: range.bytes(of: task), place: room, spill: spill
            ) { chunk, bytes throws(LifeboatError) in
                let target = room(chunk, bytes.count)
                if UnsafeRawPointer(target.baseAddress) != bytes.baseAddress {
                    target.copyMemory(from: bytes)
                }
            }
        }
        if let error = restore.lost.error(target: Self.advice) { throw error }
        guardian.withLock {
            window.missing -= 1
            if window.missing == 0 { guardian.broadcast() }
        }
    }

    private func writeWindows() {
        while let window = order.pop() {
            let hasFailed = guardian.withLock {
                while window.missing > 0, failure == nil { guardian.wait() }
                return failure != nil
            }
            if hasFailed { return }
            do throws(LifeboatError) {
                try output.append(
                    UnsafeRawBufferPointer(
                        rebasing: UnsafeRawBufferPointer(window.buffer.storage)[
                            0..<window.byteCount]))
            } catch {
                return fail(error)
            }
            restore.events.tell(
                .progress(
                    stage: restore.volume.name, done: window.start + UInt64(window.byteCount),
                    total: restore.volume.size))
            _ = free.push(window)
        }
    }
}
