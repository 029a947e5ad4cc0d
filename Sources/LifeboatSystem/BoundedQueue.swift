/// A first-in, first-out queue between threads that holds at most `capacity` elements.
public final class BoundedQueue<Element: Sendable>: @unchecked Sendable {
    private let notEmpty: Condition
    private let notFull: Condition
    private let capacity: Int
    private var ring: [Element?]
    private var head = 0
    private var count = 0
    private var isClosed = false

    /// A queue of at least one place.
    public init(capacity: Int) {
        precondition(capacity > 0, "a queue has at least one place")
        self.capacity = capacity
        notEmpty = Condition()
        notFull = Condition(sharingMutexOf: notEmpty)
        ring = Array(repeating: nil, count: capacity)
    }

    /// Appends an element, waiting for a free place; `false` when the queue is closed.
    public func push(_ element: Element) -> Bool {
        notFull.withLock {
            while count == capacity, !isClosed { notFull.wait() }
            guard !isClosed else { return false }
            ring[(head + count) % capacity] = element
            count += 1
            notEmpty.signal()
            return true
        }
    }

    /// Removes the first element, waiting for one; `nil` when the queue is closed and drained.
    public func pop() -> Element? {
        notEmpty.withLock {
            while count == 0, !isClosed { notEmpty.wait() }
            return removeFirst()
        }
    }

    /// Removes the first element if there is one now.
    public func popIfAvailable() -> Element? {
        notEmpty.withLock { removeFirst() }
    }

    /// Refuses further elements; those in the queue can still be taken.
    public func close() {
        notEmpty.withLock { finish() }
    }

    /// Closes the queue and drops what is in it.
    public func abort() {
        notEmpty.withLock {
            for index in ring.indices { ring[index] = nil }
            count = 0
            finish()
        }
    }

    private func finish() {
        isClosed = true
        notEmpty.broadcast()
        notFull.broadcast()
    }

    private func removeFirst() -> Element? {
        guard count > 0 else { return nil }
        let element = ring[head].take()
        head = (head + 1) % capacity
        count -= 1
        notFull.signal()
        return element
    }
}
