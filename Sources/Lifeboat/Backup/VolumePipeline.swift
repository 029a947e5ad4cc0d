import LifeboatArchive
import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatSystem
import LifeboatVolume

/// Takes one volume through reading, hashing, comparing, compressing and storing, on all cores.
///
/// Workers take whatever is due: a frame to encode, a batch to put in order, a batch to scan.
/// Putting in order (comparing with the parent's map, asking the index, filling frames) is done by
/// one worker at a time. Fixed numbers of batch and frame buffers bound the memory.
final class VolumePipeline: @unchecked Sendable {
    struct Settings {
        var threads: Int
        var chunkSize: Int
        var level: Int32
    }

    /// What the pipeline counted, in bytes.
    struct Counts {
        var read: UInt64 = 0
        var new: UInt64 = 0
        var zero: UInt64 = 0
        var unchanged: UInt64 = 0
        /// Changed into zeros, and not read.
        var trimmed: UInt64 = 0
    }

    /// Bytes of volume in a batch.
    static let batchByteCount = 4 << 20

    private enum Job {
        case encode(PendingFrame)
        case arrange
        case issue(Buffer, Int)
    }

    private let settings: Settings
    private let session: WriteSession
    private let source: any ScanSource
    private let volume: (any VolumeReader)?
    private let builder: BlockMapBuilder
    private let oldTags: FingerprintFile?
    private let newTags: FingerprintFile?
    private let events: any EventSink
    private let cancellation: Cancellation
    private let stage: String

    private let guardian = Condition()
    private let batchBuffers: BufferPool
    private let frameBuffers: BufferPool
    private var frames: [PendingFrame] = []
    private var ready: [Int: ScanBatch] = [:]
    private var issued = 0
    private var arranged = 0
    private var encoding = 0
    private var isIssuing = false
    private var isArranging = false
    private var isOutOfFrames = false
    private var sourceHasEnded = false
    private var tailIsFlushed = false
    private var failure: LifeboatError?
    private(set) var storedBytes: UInt64 = 0

    // What the arranging worker owns.
    private var current: PendingFrame?
    private var batch: ScanBatch?
    private var batchPosition = 0
    private var nextChunk: UInt64 = 0
    private let arrangingHasher: KeyedHasher
    private var counts = Counts()

    init(
        settings: Settings, session: WriteSession, source: any ScanSource,
        volume: (any VolumeReader)?, builder: BlockMapBuilder, oldTags: FingerprintFile?,
        newTags: FingerprintFile?, domain: DomainKeys, stage: String, events: any EventSink,
        cancellation: Cancellation
    ) {
        self.settings = settings
        self.session = session
        self.source = source
        self.volume = volume
        self.builder = builder
        self.oldTags = oldTags
        self.newTags = newTags
        self.events = events
        self.cancellation = cancellation
        self.stage = stage
        self.domain = domain
        arrangingHasher = domain.chunkHasher()
        batchBuffers = BufferPool(count: settings.threads + 2, capacity: Self.batchByteCount)
        frameBuffers = BufferPool(count: settings.threads + 2, capacity: PackLayout.frameByteLimit)
    }

    private let domain: DomainKeys

    /// Chunks in a batch.
    static func batchChunks(chunkSize: Int) -> Int { max(1, batchByteCount / chunkSize) }

    /// Runs to the end of the source; returns when every chunk is in the map and every frame is
    /// in a pack.
    func run() throws(LifeboatError) {
        Threads.run(count: settings.threads, name: "scan") { [self] _ in work() }
        if let failure { throw failure }
    }

    private func work() {
        let scanner = BatchScanner(
            hasher: domain.chunkHasher(), chunkSize: settings.chunkSize, volume: volume,
            oldTags: oldTags, newTags: newTags)
        let encoder = FrameEncoder(level: settings.level, frameByteCount: PackLayout.frameByteLimit)
        while let job = nextJob() {
            do throws(LifeboatError) {
                switch job {
                case .encode(let frame): try encode(frame, encoder)
                case .arrange: try arrange()
                case .issue(let buffer, let number): try issue(buffer, number, scanner)
                }
            } catch {
                guardian.lock()
                if failure == nil { failure = error }
                guardian.broadcast()
                guardian.unlock()
            }
        }
    }

    private func nextJob() -> Job? {
        guardian.lock()
        defer { guardian.unlock() }
        while true {
            if failure == nil, cancellation.isCancelled {
                failure = LifeboatError(.cancelled, "interrupted")
                guardian.broadcast()
            }
            if failure != nil { return nil }
            if !frames.isEmpty {
                encoding += 1
                return .encode(frames.removeFirst())
            }
            if !isArranging, !isOutOfFrames, batch != nil || ready[arranged] != nil || tailIsDue {
                isArranging = true
                return .arrange
            }
            if !isIssuing, !sourceHasEnded, let buffer = batchBuffers.takeIfFree() {
                isIssuing = true
                issued += 1
                return .issue(buffer, issued - 1)
            }
            if tailIsFlushed, encoding == 0 { return nil }
            guardian.wait()
        }
    }

    /// Everything is scanned and arranged; what is left is the last frame.
    private var tailIsDue: Bool {
        sourceHasEnded && arranged == issued && batch == nil && !tailIsFlushed
    }

    private func issue(
        _ buffer: Buffer, _ number: Int, _ scanner: BatchScanner
    ) throws(LifeboatError) {
        let next = try source.next(into: buffer, number: number)
        guardian.lock()
        isIssuing = false
        if next == nil {
            sourceHasEnded = true
            issued -= 1
            batchBuffers.give(buffer)
        }
        guardian.broadcast()
        guardian.unlock()
        guard let next else { return }
        try scanner.scan(next)
        guardian.lock()
        ready[number] = next
        guardian.broadcast()
        guardian.unlock()
    }

    private func encode(_ frame: PendingFrame, _ encoder: FrameEncoder) throws(LifeboatError) {
        let stored = try session.store(frame.bytes, slots: frame.slots, encoder: encoder)
        frameBuffers.give(frame.buffer)
        guardian.lock()
        encoding -= 1
        isOutOfFrames = false
        storedBytes += UInt64(stored)
        guardian.broadcast()
        guardian.unlock()
    }

    // MARK: arranging

    private func arrange() throws(LifeboatError) {
        var isStuck = false
        while !isStuck {
            if batch == nil {
                guardian.lock()
                batch = ready.removeValue(forKey: arranged)
                guardian.unlock()
                batchPosition = 0
            }
            guard let batch else { break }
            if batchPosition == 0, batch.restIsZero { try fillGap(before: batch) }
            var free = try adopt(batch)
            if free == nil, try arrange(batch) { free = batch.buffer }
            if let free {
                batchBuffers.give(free)
                self.batch = nil
                guardian.lock()
                arranged += 1
                guardian.broadcast()
                guardian.unlock()
                events.tell(
                    .progress(
                        stage: stage,
                        done: min(
                            batch.first * UInt64(settings.chunkSize) + UInt64(batch.byteCount),
                            max(source.size, 1)), total: volume?.size))
            } else {
                isStuck = true
            }
        }
        guardian.lock()
        isArranging = false
        // A frame may have been given back since the last try; then it is worth trying again.
        isOutOfFrames = isStuck && frameBuffers.freeCount == 0
        if tailIsDue {
            if let current, current.byteCount > 0 { frames.append(current) }
            current = nil
            tailIsFlushed = true
        }
        guardian.broadcast()
        guardian.unlock()
    }

    /// Makes a frame of a whole batch whose chunks are all new, without copying it.
    ///
    /// Returns a buffer to take the place of the batch's; `nil` where the chunks have to be
    /// arranged one by one.
    private func adopt(_ batch: ScanBatch) throws(LifeboatError) -> Buffer? {
        guard batchPosition == 0, batch.reads == [0..<batch.count],
            batch.byteCount == PackLayout.frameByteLimit,
            (current?.byteCount ?? 0) >= PendingFrame.scatteredByteCount || current == nil
        else { return nil }
        var seen: Set<Digest> = []
        for index in 0..<batch.count {
            guard batch.findings[index] == .hashed else { return nil }
            let id = batch.ids[index]
            guard seen.insert(id).inserted,
                try builder.existing(batch.first + UInt64(index)) != id, try !session.knows(id)
            else { return nil }
        }
        guard let spare = frameBuffers.takeIfFree() else { return nil }
        let frame = PendingFrame(buffer: batch.buffer)
        for index in 0..<batch.count {
            let chunk = batch.first + UInt64(index)
            session.expect(batch.ids[index])
            frame.slots.append(.init(id: batch.ids[index], length: UInt32(settings.chunkSize)))
            try builder.set(chunk, batch.ids[index])
        }
        frame.byteCount = batch.byteCount
        counts.new += UInt64(batch.byteCount)
        counts.read += UInt64(batch.byteCount)
        nextChunk = batch.first + UInt64(batch.count)
        guardian.withLock {
            if let current { frames.append(current) }
            frames.append(frame)
            guardian.broadcast()
        }
        current = nil
        return spare
    }

    private func fillGap(before batch: ScanBatch) throws(LifeboatError) {
        guard batch.first > nextChunk else { return }
        try builder.setZero(nextChunk..<batch.first)
        counts.zero += (batch.first - nextChunk) * UInt64(settings.chunkSize)
        nextChunk = batch.first
    }

    /// Arranges what is left of `batch`; false when it has to wait for a frame buffer.
    private func arrange(_ batch: ScanBatch) throws(LifeboatError) -> Bool {
        while batchPosition < batch.count {
            let index = batchPosition
            guard try arrange(batch, index) else { return false }
            batchPosition += 1
        }
        nextChunk = batch.first + UInt64(batch.count)
        for read in batch.reads { counts.read += byteCount(read, of: batch) }
        for zeros in batch.zeros { counts.trimmed += byteCount(zeros, of: batch) }
        return true
    }

    private func byteCount(_ chunks: Range<Int>, of batch: ScanBatch) -> UInt64 {
        let end = min(batch.byteCount, chunks.upperBound * settings.chunkSize)
        return UInt64(end - chunks.lowerBound * settings.chunkSize)
    }

    private func arrange(_ batch: ScanBatch, _ index: Int) throws(LifeboatError) -> Bool {
        let chunk = batch.first + UInt64(index)
        let length = batch.chunk(index, chunkSize: settings.chunkSize).count
        let finding = batch.findings[index]
        switch finding {
        case .untouched: return true
        case .zero:
            try builder.set(chunk, .zero)
            counts.zero += UInt64(length)
            return true
        case .matching, .hashed: break
        }
        let existing = try builder.existing(chunk)
        var id = batch.ids[index]
        if finding == .matching {
            // The parent's map must have a chunk there; if not, the fingerprints are not its own.
            id =
                existing.isZero
                ? arrangingHasher.digest(batch.chunk(index, chunkSize: settings.chunkSize))
                : existing
        }
        let isLost = session.isLost(id)
        if id == existing, !isLost {
            counts.unchanged += UInt64(length)
            return true
        }
        if try !session.knows(id) {
            guard let frame = frame(for: chunk, length: length) else { return false }
            session.expect(id)
            frame.append(chunk, id: id, batch.chunk(index, chunkSize: settings.chunkSize))
            counts.new += UInt64(length)
        } else if id == existing {
            counts.unchanged += UInt64(length)
        }
        try builder.set(chunk, id)
        return true
    }

    /// The frame that `chunk` goes into; `nil` when a buffer must be waited for.
    private func frame(for chunk: UInt64, length: Int) -> PendingFrame? {
        if let current, current.isFull(for: chunk, length: length) {
            guardian.lock()
            frames.append(current)
            guardian.broadcast()
            guardian.unlock()
            self.current = nil
        }
        if current == nil, let buffer = frameBuffers.takeIfFree() {
            current = PendingFrame(buffer: buffer)
        }
        return current
    }

    /// What lies behind the last batch is zero, unless a hint leaves it as it was.
    func finishMap(chunkCount: UInt64, restIsZero: Bool) throws(LifeboatError) -> BlockMapRoot {
        if restIsZero, nextChunk < chunkCount {
            try builder.setZero(nextChunk..<chunkCount)
            let end = source.size
            counts.zero += end - min(end, nextChunk * UInt64(settings.chunkSize))
        }
        return try builder.finish(chunkCount: chunkCount)
    }

    var totals: Counts { counts }
}
