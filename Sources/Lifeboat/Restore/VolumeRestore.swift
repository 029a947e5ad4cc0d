import LifeboatArchive
import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatSystem
import LifeboatVolume
import LifeboatStore

/// Restores one volume to a file or device: by windows of the volume, each frame of a window
/// read once, on all cores.
final class VolumeRestore: @unchecked Sendable {
    /// Chunks a window: 16 GiB with chunks of 64 KiB, and 6 MiB of memory.
    static let windowChunks: UInt64 = 1 << 18
    /// The same where the packs of a window must be asked of a network before its first frame.
    static let remoteWindowChunks: UInt64 = 1 << 14

    struct Counts {
        var written: UInt64 = 0
        var fetched: UInt64 = 0
        var matching: UInt64 = 0
    }

    let volume: PointBody.Volume
    let repository: Repository
    let index: Index
    let packs: PackCache
    let nodes: NodeReader
    let threads: Int
    let events: any EventSink
    let cancellation: Cancellation
    let lost: LostRanges
    private let counts = Guarded(Counts())
    /// Fetchers at rest: each has buffers that are worth keeping between windows.
    private let fetchers = Condition()
    private var idleFetchers: [ChunkFetcher] = []

    init(
        _ volume: PointBody.Volume, repository: Repository, index: Index, packs: PackCache,
        nodes: NodeReader, threads: Int, events: any EventSink, cancellation: Cancellation
    ) {
        self.volume = volume
        self.repository = repository
        self.index = index
        self.packs = packs
        self.nodes = nodes
        self.threads = threads
        self.events = events
        self.cancellation = cancellation
        lost = LostRanges(volume: volume.name)
    }

    var chunkSize: UInt64 { UInt64(repository.chunkSize) }
    var chunkCount: UInt64 {
        BlockMapShape.chunkCount(size: volume.size, chunkSize: repository.chunkSize)
    }
    var totals: Counts { counts.withLock { $0 } }

    func extent(_ chunk: UInt64) -> Extent {
        let offset = chunk * chunkSize
        return Extent(offset: offset, length: min(chunkSize, volume.size - offset))
    }

    /// The ids of a window, zeros included.
    ///
    /// Where the block map is damaged, `unreadable` gets the chunks whose ids are not known.
    func ids(
        _ window: Range<UInt64>,
        unreadable: (Range<UInt64>, LifeboatError) throws(LifeboatError) -> Void = {
            _, error throws(LifeboatError) in throw error
        }
    ) throws(LifeboatError) -> [Digest] {
        var ids = [Digest](repeating: .zero, count: Int(window.upperBound - window.lowerBound))
        let root = BlockMapRoot(id: volume.root, levels: volume.levels)
        try BlockMapWalk(nodes).leaves(of: root, in: window, unreadable: unreadable) {
            first, children in
            for (slot, id) in children.enumerated() where !id.isZero {
                let chunk = first + UInt64(slot)
                if window.contains(chunk) { ids[Int(chunk - window.lowerBound)] = id }
            }
        }
        return ids
    }

    /// Writes the volume to `target`, beginning with chunk `start`.
    ///
    /// `compares`: the target may hold much of it already; only what differs is written.
    /// `windowDone` is called with the first chunk that is not done after each window.
    func write(
        to target: any VolumeWriter, from start: UInt64, compares: Bool,
        windowDone: (UInt64) throws(LifeboatError) -> Void
    ) throws(LifeboatError) {
        events.tell(.started(stage: volume.name, total: volume.size))
        let planner = FramePlanner(Locator(index: index, packs: packs))
        let foresight = compares ? nil : PackForesight(self, from: start)
        defer { foresight?.end() }
        let windowChunks = packs.isRemote ? Self.remoteWindowChunks : Self.windowChunks
        var position = start
        while position < chunkCount {
            try cancellation.check()
            foresight?.reached(position)
            let window = position..<min(chunkCount, position + windowChunks)
            var hidden: Set<UInt64> = []
            let ids = try ids(window) { chunks, fault in
                hidden.formUnion(chunks)
                let start = chunks.lowerBound * chunkSize
                let end = min(volume.size, chunks.upperBound * chunkSize)
                lost.add(Extent(offset: start, length: end - start), fault)
            }
            var wanted: [(chunk: UInt64, id: Digest)] = []
            if compares {
                let matches = try TargetComparison(self, target).matches(window, ids)
                for (index, id) in ids.enumerated() where !matches[index] {
                    let chunk = window.lowerBound + UInt64(index)
                    if hidden.contains(chunk) { continue }
                    if id.isZero {
                        try target.zero(extent(chunk))
                        let length = extent(chunk).length
                        counts.withLock { $0.written += length }
                    } else {
                        wanted.append((chunk, id))
                    }
                }
                let same = matches.indices.filter { matches[$0] }.reduce(UInt64(0)) {
                    $0 + extent(window.lowerBound + UInt64($1)).length
                }
                counts.withLock { $0.matching += same }
            } else {
                for (index, id) in ids.enumerated() where !id.isZero {
                    wanted.append((window.lowerBound + UInt64(index), id))
                }
            }
            let tasks = try planner.plan(wanted) { chunk, fault in
                lost.add(extent(chunk), fault)
            }
            let step = chunkSize
            try fetchAll(tasks) { chunk, bytes throws(LifeboatError) in
                try target.write(at: chunk * step, bytes)
            }
            position = window.upperBound
            try windowDone(position)
        }
        events.tell(.finished(stage: volume.name))
    }

    /// Fetches the frames of `tasks` on all threads; what cannot be read is noted as lost.
    func fetchAll(
        _ tasks: [FrameTask],
        _ write: @escaping @Sendable (UInt64, UnsafeRawBufferPointer) throws(LifeboatError) -> Void
    ) throws(LifeboatError) {
        if repository.store.parallelRequests > 1 { return try fetchAllAhead(tasks, write) }
        let next = Guarded(0)
        let failure = Guarded<LifeboatError?>(nil)
        Threads.run(count: min(threads, max(1, tasks.count)), name: "restore") { [self] _ in
            do throws(LifeboatError) {
                let fetcher = try takeFetcher()
                defer { giveFetcher(fetcher) }
                while failure.withLock({ $0 == nil }), !cancellation.isCancelled {
                    let number = next.withLock { number in
                        defer { number += 1 }
                        return number
                    }
                    guard number < tasks.count else { return }
                    let task = tasks[number]
                    try fetchOne(task, fetcher, write)
                    tellProgress(task)
                }
            } catch {
                failure.withLock { $0 = $0 ?? error }
            }
        }
        try cancellation.check()
        if let error = failure.withLock({ $0 }) { throw error }
    }

    /// The same where each request waits for a network: some threads read, others decode.
    private func fetchAllAhead(
        _ tasks: [FrameTask],
        _ write: @escaping @Sendable (UInt64, UnsafeRawBufferPointer) throws(LifeboatError) -> Void
    ) throws(LifeboatError) {
        let failure = Guarded<LifeboatError?>(nil)
        let ahead = FrameReadAhead(repository.store)
        let goesOn: @Sendable () -> Bool = { [cancellation] in
            failure.withLock { $0 == nil } && !cancellation.isCancelled
        }
        let reading = Threads.start(name: "read ahead") { ahead.run(tasks, goesOn: goesOn) }
        Threads.run(count: min(threads, max(1, tasks.count)), name: "restore") { [self] _ in
            do throws(LifeboatError) {
                let fetcher = try takeFetcher()
                defer { giveFetcher(fetcher) }
                while goesOn(), let range = ahead.next() {
                    defer { ahead.done(range) }
                    for task in range.tasks {
                        try fetchOne(task, fetcher, fetched: range.bytes(of: task), write)
                        tellProgress(task)
                    }
                }
            } catch {
                failure.withLock { $0 = $0 ?? error }
            }
            if !goesOn() { ahead.abort() }
        }
        reading.join()
        try cancellation.check()
        if let error = failure.withLock({ $0 }) { throw error }
    }

    private func tellProgress(_ task: FrameTask) {
        guard let item = task.items.last else { return }
        events.tell(
            .progress(stage: volume.name, done: extent(item.chunk).end, total: volume.size))
    }

    func takeFetcher() throws(LifeboatError) -> ChunkFetcher {
        fetchers.lock()
        let idle = idleFetchers.popLast()
        fetchers.unlock()
        if let idle { return idle }
        return try ChunkFetcher(repository)
    }

    func giveFetcher(_ fetcher: ChunkFetcher) {
        fetchers.lock()
        idleFetchers.append(fetcher)
        fetchers.unlock()
    }

    /// Fetches one frame; what cannot be read is looked for elsewhere, or noted as lost.
    ///
    /// `place`: room for a run of chunks, where the caller has it. `fetched`: the frame's sealed
    /// bytes, where they have been read already.
    func fetchOne(
        _ task: FrameTask, _ fetcher: ChunkFetcher,
        fetched: UnsafeMutableRawBufferPointer? = nil,
        place: ((UInt64, Int) -> UnsafeMutableRawBufferPointer)? = nil, spill: ChunkSpill? = nil,
        _ write: (UInt64, UnsafeRawBufferPointer) throws(LifeboatError) -> Void
    ) throws(LifeboatError) {
        var written: UInt64 = 0
        do throws(LifeboatError) {
            try fetcher.fetch(
                task, chunkSize: chunkSize, volumeSize: volume.size, fetched: fetched,
                place: place, spill: spill
            ) { chunk, bytes throws(LifeboatError) in
                try write(chunk, bytes)
                written += UInt64(bytes.count)
            }
        } catch {
            guard error.code == .damaged else { throw error }
            try fetchElsewhere(task, fetcher, error, write, &written)
        }
        let length = UInt64(task.pack.directory.frames[task.frame].sealedLength)
        let count = written
        counts.withLock {
            $0.written += count
            $0.fetched += length
        }
    }

    /// A frame that is damaged may have chunks that another pack holds too.
    private func fetchElsewhere(
        _ task: FrameTask, _ fetcher: ChunkFetcher, _ fault: LifeboatError,
        _ write: (UInt64, UnsafeRawBufferPointer) throws(LifeboatError) -> Void,
        _ written: inout UInt64
    ) throws(LifeboatError) {
        let locator = Locator(index: index, packs: packs)
        for item in task.items {
            do throws(LifeboatError) {
                let place = try locator.find(item.id, except: [task.pack.name])
                let other = FrameTask(
                    pack: place.pack, frame: place.frame,
                    items: [.init(slot: place.slot, chunk: item.chunk, id: item.id)])
                var count: UInt64 = 0
                try fetcher.fetch(other, chunkSize: chunkSize, volumeSize: volume.size) {
                    chunk, bytes throws(LifeboatError) in
                    try write(chunk, bytes)
                    count = UInt64(bytes.count)
                }
                written += count
            } catch {
                guard error.code == .damaged else { throw error }
                lost.add(extent(item.chunk), fault)
            }
        }
    }

    /// Reads the whole target again and compares it with the map; returns the bytes compared.
    ///
    /// - Throws: `.damaged` naming the target and the first byte range that is wrong.
    func verify(_ target: any VolumeWriter) throws(LifeboatError) -> UInt64 {
        let stage = "verifying \(volume.name)"
        events.tell(.started(stage: stage, total: volume.size))
        var position: UInt64 = 0
        while position < chunkCount {
            try cancellation.check()
            let window = position..<min(chunkCount, position + Self.windowChunks)
            let matches = try TargetComparison(self, target, stage: stage)
                .matches(window, try ids(window))
            if let wrong = matches.firstIndex(of: false) {
                let extent = extent(window.lowerBound + UInt64(wrong))
                throw LifeboatError(
                    .damaged,
                    "bytes \(extent.offset) to \(extent.end) are not what was written",
                    subject: target.name,
                    advice: "suspect this target's medium; restore to another one")
            }
            position = window.upperBound
        }
        events.tell(.finished(stage: stage))
        return volume.size
    }
}
