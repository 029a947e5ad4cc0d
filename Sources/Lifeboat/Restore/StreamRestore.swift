import LifeboatArchive
import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatSystem

/// Writes one volume to standard output: windows of it are put together on all cores while the
/// one before is written.
final class StreamRestore: @unchecked Sendable {
    /// A window that is being put together.
    private final class Window: @unchecked Sendable {
        let buffer: Buffer
        var chunks: Range<UInt64> = 0..<0
        var byteCount = 0
        init(capacity: Int) { buffer = Buffer(capacity: capacity) }
    }

    private static let windowByteCount = 32 << 20
    private static let advice = "the archive; restore it to a file to get it"

    private let restore: VolumeRestore
    private let output: File

    init(_ restore: VolumeRestore, descriptor: Int32) {
        self.restore = restore
        output = File(descriptor: descriptor, path: "standard output", owned: false)
    }

    /// - Throws: the first fault; a stream cannot go on behind what is missing.
    func run() throws(LifeboatError) {
        let windowChunks = UInt64(max(1, Self.windowByteCount / Int(restore.chunkSize)))
        let capacity = Int(windowChunks) * Int(restore.chunkSize)
        let free = BoundedQueue<Window>(capacity: 3)
        let full = BoundedQueue<Window>(capacity: 3)
        for _ in 0..<3 { _ = free.push(Window(capacity: capacity)) }
        let failure = Guarded<LifeboatError?>(nil)
        restore.events.tell(.started(stage: restore.volume.name, total: restore.volume.size))
        let writer = Threads.start(name: "output") { [self] in
            while let window = full.pop() {
                do throws(LifeboatError) {
                    try output.append(
                        UnsafeRawBufferPointer(
                            rebasing: UnsafeRawBufferPointer(window.buffer.storage)[
                                0..<window.byteCount]))
                } catch {
                    failure.withLock { $0 = $0 ?? error }
                    free.abort()
                    full.abort()
                    return
                }
                _ = free.push(window)
            }
        }
        do throws(LifeboatError) {
            let planner = FramePlanner(Locator(index: restore.index, packs: restore.packs))
            var position: UInt64 = 0
            while position < restore.chunkCount, failure.withLock({ $0 == nil }) {
                try restore.cancellation.check()
                guard let window = free.pop() else { break }
                window.chunks = position..<min(restore.chunkCount, position + windowChunks)
                try fill(window, planner)
                position = window.chunks.upperBound
                restore.events.tell(
                    .progress(
                        stage: restore.volume.name,
                        done: min(restore.volume.size, position * restore.chunkSize),
                        total: restore.volume.size))
                _ = full.push(window)
            }
        } catch {
            failure.withLock { $0 = $0 ?? error }
        }
        full.close()
        writer.join()
        if let error = failure.withLock({ $0 }) { throw error }
        restore.events.tell(.finished(stage: restore.volume.name))
    }

    private func fill(
        _ window: Window, _ planner: FramePlanner
    ) throws(LifeboatError) {
        let ids = try restore.ids(window.chunks)
        let start = window.chunks.lowerBound * restore.chunkSize
        window.byteCount = Int(
            min(restore.volume.size, window.chunks.upperBound * restore.chunkSize) - start)
        var wanted: [(chunk: UInt64, id: Digest)] = []
        for (index, id) in ids.enumerated() {
            let chunk = window.chunks.lowerBound + UInt64(index)
            if id.isZero {
                let extent = restore.extent(chunk)
                let offset = Int(extent.offset - start)
                UnsafeMutableRawBufferPointer(
                    rebasing: window.buffer.storage[offset..<offset + Int(extent.length)]
                ).initializeMemory(as: UInt8.self, repeating: 0)
            } else {
                wanted.append((chunk, id))
            }
        }
        var missing: (UInt64, LifeboatError)?
        let tasks = try planner.plan(wanted) { chunk, fault in
            if missing == nil { missing = (chunk, fault) }
        }
        if let (chunk, fault) = missing {
            restore.lost.add(restore.extent(chunk), fault)
            throw restore.lost.error(target: Self.advice) ?? fault
        }
        try restore.fetchAll(tasks) { item, bytes throws(LifeboatError) in
            let offset = Int(item.chunk * self.restore.chunkSize - start)
            UnsafeMutableRawBufferPointer(
                rebasing: window.buffer.storage[offset..<offset + bytes.count]
            ).copyMemory(from: bytes)
        }
        if let error = restore.lost.error(target: Self.advice) { throw error }
    }
}
