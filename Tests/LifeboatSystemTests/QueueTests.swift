import LifeboatSystem
import Synchronization
import Testing

private final class Flag: Sendable {
    let isGone: Guarded<Bool>
    init(_ isGone: Guarded<Bool>) { self.isGone = isGone }
    deinit { isGone.withLock { $0 = true } }
}

@Suite struct ThreadEndTests {
    @Test func `what a thread's work held is let go before its end`() {
        for _ in 0..<2000 {
            let isGone = Guarded(false)
            var flag: Flag? = Flag(isGone)
            let handle = Threads.start(name: "hold") { [flag] in _ = flag?.isGone }
            flag = nil
            handle.join()
            #expect(isGone.withLock { $0 })
        }
    }
}

@Suite struct QueueTests {
    @Test func `every element arrives once, through many threads`() {
        let queue = BoundedQueue<Int>(capacity: 3)
        let sum = Guarded(0)
        let consumers = (0..<3).map { _ in
            Threads.start(name: "consumer") {
                while let element = queue.pop() { sum.withLock { $0 += element } }
            }
        }
        Threads.run(count: 3, name: "producer") { index in
            for element in 1...1000 { _ = queue.push(element + index * 1000) }
        }
        queue.close()
        for consumer in consumers { consumer.join() }
        #expect(sum.withLock { $0 } == 4_501_500)
        #expect(!queue.push(1))
        #expect(queue.pop() == nil)
    }

    @Test func `keeps the order`() {
        let queue = BoundedQueue<Int>(capacity: 4)
        for element in 1...3 { #expect(queue.push(element)) }
        #expect(queue.popIfAvailable() == 1)
        #expect(queue.push(4) && queue.push(5))
        queue.close()
        #expect((0..<5).map { _ in queue.pop() } == [2, 3, 4, 5, nil])
        #expect(queue.popIfAvailable() == nil)
    }

    @Test func `abort frees those who wait and drops the rest`() {
        let full = BoundedQueue<Int>(capacity: 1)
        let empty = BoundedQueue<Int>(capacity: 1)
        #expect(full.push(1))
        let results = Guarded<[Bool]>([])
        let pushers = (0..<2).map { _ in
            Threads.start(name: "pusher") {
                let result = full.push(2)
                results.withLock { $0.append(result) }
            }
        }
        let popper = Threads.start(name: "popper") { _ = empty.pop() }
        full.abort()
        empty.abort()
        for thread in pushers + [popper] { thread.join() }
        #expect(results.withLock { $0 } == [false, false])
        #expect(full.pop() == nil)
    }

    @Test func `a closed queue frees a waiting pusher and keeps what it has`() {
        let queue = BoundedQueue<Int>(capacity: 1)
        #expect(queue.push(1))
        let pusher = Threads.start(name: "pusher") { _ = queue.push(2) }
        queue.close()
        pusher.join()
        #expect(queue.pop() == 1)
        #expect(queue.pop() == nil)
    }
}

@Suite struct BufferPoolTests {
    @Test func `makes a fixed number of aligned buffers`() {
        let pool = BufferPool(count: 2, capacity: 5000)
        #expect(pool.freeCount == 2)
        let first = pool.take()
        let second = pool.take()
        #expect(pool.takeIfFree() == nil)
        #expect(Int(bitPattern: first.base) % 4096 == 0)
        first.count = 17
        pool.give(first)
        let again = pool.takeIfFree()
        #expect(again === first)
        #expect(again?.count == 0)
        #expect(second.capacity == 5000)
        #expect(pool.freeCount == 0)
    }

    @Test func `a taker waits for a giver`() {
        let pool = BufferPool(count: 2, capacity: 1 << 20)
        let uses = Atomic<Int>(0)
        Threads.run(count: 6, name: "user") { index in
            for _ in 0..<200 {
                let buffer = pool.take()
                buffer.storage[0] = UInt8(index)
                buffer.count = 1
                uses.wrappingAdd(1, ordering: .relaxed)
                pool.give(buffer)
            }
        }
        #expect(uses.load(ordering: .relaxed) == 1200)
        #expect(pool.freeCount == 2)
    }

    @Test func `closing frees those who wait`() {
        let pool = BufferPool(count: 1, capacity: 100)
        let taken = pool.take()
        let takers = (0..<3).map { _ in
            Threads.start(name: "taker") { pool.give(pool.take()) }
        }
        pool.close()
        for taker in takers { taker.join() }
        pool.give(taken)
        #expect(pool.takeIfFree() == nil)
        #expect(pool.take().capacity == 100)
    }
}

@Suite struct ThreadTests {
    @Test func `runs every index once`() {
        let seen = Guarded<Set<Int>>([])
        Threads.run(count: 5, name: "a name longer than fifteen bytes") { index in
            seen.withLock { _ = $0.insert(index) }
        }
        #expect(seen.withLock { $0 } == [0, 1, 2, 3, 4])
        #expect(Threads.processorCount >= 1)
    }

    @Test func `a wait ends with its time or with a signal`() {
        let condition = Condition()
        let start = Clock.monotonicSeconds()
        let isSignalled = condition.withLock { condition.wait(seconds: 0.02) }
        #expect(!isSignalled)
        #expect(Clock.monotonicSeconds() - start >= 0.019)
        let isReady = Guarded(false)
        let thread = Threads.start(name: "waiter") {
            condition.withLock {
                while !isReady.withLock({ $0 }) { _ = condition.wait(seconds: 5) }
            }
        }
        condition.withLock {
            isReady.withLock { $0 = true }
            condition.broadcast()
        }
        thread.join()
        thread.join()
    }

    @Test func `clocks tell something`() {
        #expect(Clock.milliseconds() > 1_700_000_000_000)
        #expect(Clock.peakMemoryBytes > 1 << 20)
        #expect(Clock.cpuSeconds() > 0)
    }
}
