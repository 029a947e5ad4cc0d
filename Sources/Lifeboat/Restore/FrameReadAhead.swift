import LifeboatArchive
import LifeboatCore
import LifeboatFormat
import LifeboatStore
import LifeboatSystem

/// Reads the sealed bytes of frames before somebody decodes them, with as many requests at once as
/// are worth while: behind a network each request waits, and decoding must not wait with it.
///
/// Frames that lie next to each other in a pack are read with one request. A fixed number of
/// buffers bounds the memory.
final class FrameReadAhead: @unchecked Sendable {
    /// Frames in a row of one pack, and their bytes.
    struct Range: @unchecked Sendable {
        var tasks: [FrameTask]
        /// Where the first frame begins in the pack, and how many bytes reach to the last one's end.
        var offset: UInt64
        var count: Int
        /// `nil` when it could not be read: then each frame is read by itself, and tells why.
        var buffer: Buffer?

        /// The sealed bytes of one of its frames.
        func bytes(of task: FrameTask) -> UnsafeMutableRawBufferPointer? {
            guard let buffer else { return nil }
            let frame = task.pack.directory.frames[task.frame]
            let start = Int(UInt64(frame.offset) - offset)
            return UnsafeMutableRawBufferPointer(
                rebasing: buffer.storage[start..<start + Int(frame.sealedLength)])
        }
    }

    /// The largest sealed frame there can be fits.
    static let bufferByteCount = PackLayout.frameByteLimit + (1 << 19)
    /// What may lie between two frames of a range and is read for nothing.
    private static let largestGap: UInt64 = 64 << 10

    private let store: any ObjectStore
    private let buffers: BufferPool
    private let ready: BoundedQueue<Range>
    private let parallel: Int

    init(_ store: any ObjectStore) {
        self.store = store
        parallel = store.parallelRequests
        buffers = BufferPool(count: parallel + 2, capacity: Self.bufferByteCount)
        ready = BoundedQueue(capacity: parallel + 2)
    }

    /// How many tasks may change places so that frames follow each other: writers with many threads
    /// fill packs almost in the order of the volume.
    private static let reach = 64

    /// Puts tasks together whose frames follow each other, or nearly; no range has more than
    /// `limit` bytes unless a single frame has.
    static func ranges(_ tasks: [FrameTask], limit: Int = bufferByteCount) -> [Range] {
        var result: [Range] = []
        for start in stride(from: 0, to: tasks.count, by: reach) {
            append(inOrder(tasks[start..<min(tasks.count, start + reach)]), to: &result, limit)
        }
        return result
    }

    /// Packs in the order in which they come, the frames of each in theirs.
    private static func inOrder(_ tasks: ArraySlice<FrameTask>) -> [FrameTask] {
        var turns: [Digest: Int] = [:]
        for task in tasks where turns[task.pack.name] == nil {
            turns[task.pack.name] = turns.count
        }
        return tasks.sorted { one, other in
            one.pack.name == other.pack.name
                ? one.frame < other.frame
                : turns[one.pack.name, default: 0] < turns[other.pack.name, default: 0]
        }
    }

    private static func append(_ tasks: [FrameTask], to result: inout [Range], _ limit: Int) {
        for task in tasks {
            let frame = task.pack.directory.frames[task.frame]
            let (start, end) = (
                UInt64(frame.offset), UInt64(frame.offset) + UInt64(frame.sealedLength)
            )
            if let last = result.last, last.tasks[0].pack.name == task.pack.name {
                let lastEnd = last.offset + UInt64(last.count)
                if start >= lastEnd, start - lastEnd <= largestGap,
                    end - last.offset <= UInt64(limit)
                {
                    result[result.count - 1].tasks.append(task)
                    result[result.count - 1].count = Int(end - last.offset)
                    continue
                }
            }
            result.append(Range(tasks: [task], offset: start, count: Int(end - start), buffer: nil))
        }
    }

    /// Reads all frames of `tasks`; `next` of another thread gets them as they come.
    ///
    /// Returns when everything was read, or `goesOn` says no.
    func run(_ tasks: [FrameTask], goesOn: @escaping @Sendable () -> Bool) {
        let ranges = Self.ranges(tasks)
        let number = Guarded(0)
        Threads.run(count: min(parallel, max(1, ranges.count)), name: "fetch") { [self] _ in
            while goesOn() {
                let index = number.withLock { number in
                    defer { number += 1 }
                    return number
                }
                guard index < ranges.count, ready.push(read(ranges[index])) else { return }
            }
        }
        ready.close()
    }

    private func read(_ range: Range) -> Range {
        var range = range
        range.buffer = Self.read(
            range.tasks[0].pack, at: range.offset, count: range.count, store, buffers)
        return range
    }

    /// Reads a part of a pack into a buffer of a pool; `nil` when it cannot be had.
    static func read(
        _ pack: OpenPack, at offset: UInt64, count: Int, _ store: any ObjectStore,
        _ buffers: BufferPool
    ) -> Buffer? {
        guard count <= bufferByteCount else { return nil }
        let buffer = buffers.take()
        let room = UnsafeMutableRawBufferPointer(rebasing: buffer.storage[0..<count])
        if (try? store.read(pack.object, at: offset, into: room)) == count { return buffer }
        buffers.give(buffer)
        return nil
    }

    /// The next frames; `nil` when all have been taken.
    func next() -> Range? { ready.pop() }

    /// Gives back the bytes of frames that have been decoded.
    func done(_ range: Range) {
        if let buffer = range.buffer { buffers.give(buffer) }
    }

    /// Lets everybody go on who waits here.
    func abort() {
        ready.abort()
        buffers.close()
    }
}
