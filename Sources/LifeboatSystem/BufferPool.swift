/// A fixed number of equal buffers, made on demand.
///
/// An empty pool makes whoever reads more data wait: this is the back-pressure of the pipelines, and
/// it bounds their memory.
public final class BufferPool: @unchecked Sendable {
    private let condition = Condition()
    private let count: Int
    private let capacity: Int
    private var free: [Buffer] = []
    private var made = 0
    private var isClosed = false

    /// At most `count` buffers of `capacity` bytes each.
    public init(count: Int, capacity: Int) {
        precondition(count > 0, "a pool has at least one buffer")
        self.count = count
        self.capacity = capacity
    }

    /// A free buffer with `count` 0; waits until there is one.
    ///
    /// After `close()` it returns a fresh buffer that the pool does not know, so that nobody hangs.
    public func take() -> Buffer {
        condition.withLock {
            while true {
                if let buffer = claim() { return buffer }
                if isClosed { return Buffer(capacity: capacity) }
                condition.wait()
            }
        }
    }

    /// A free buffer, or `nil` if there is none now.
    public func takeIfFree() -> Buffer? {
        condition.withLock { claim() }
    }

    /// Returns a buffer that was taken from this pool.
    public func give(_ buffer: Buffer) {
        condition.withLock {
            guard !isClosed else { return }
            precondition(free.count < made, "a buffer is given back once")
            buffer.count = 0
            free.append(buffer)
            condition.signal()
        }
    }

    /// Lets every waiting and later taker go on, and frees the buffers as they come back.
    public func close() {
        condition.withLock {
            isClosed = true
            free = []
            condition.broadcast()
        }
    }

    /// How many buffers could be taken now without waiting.
    public var freeCount: Int {
        condition.withLock { isClosed ? 0 : free.count + count - made }
    }

    private func claim() -> Buffer? {
        if let buffer = free.popLast() { return buffer }
        guard made < count, !isClosed else { return nil }
        made += 1
        return Buffer(capacity: capacity)
    }
}
