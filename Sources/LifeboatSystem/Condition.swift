internal import Glibc

/// A mutex and a condition variable, for the places that need predicates of their own.
public final class Condition: @unchecked Sendable {
    private final class Lock: @unchecked Sendable {
        let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)

        init() {
            let result = pthread_mutex_init(mutex, nil)
            precondition(result == 0, "a mutex can be made")
        }

        deinit {
            pthread_mutex_destroy(mutex)
            mutex.deallocate()
        }
    }

    private let shared: Lock
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    /// A condition with a mutex of its own.
    public convenience init() { self.init(lock: Lock()) }

    /// A second condition variable on the mutex of another one.
    convenience init(sharingMutexOf other: Condition) { self.init(lock: other.shared) }

    private init(lock: Lock) {
        shared = lock
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        // Time-outs must not follow a clock that is set.
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        let result = pthread_cond_init(condition, &attributes)
        precondition(result == 0, "a condition variable can be made")
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(condition)
        condition.deallocate()
    }

    public func lock() { pthread_mutex_lock(shared.mutex) }

    public func unlock() { pthread_mutex_unlock(shared.mutex) }

    /// Waits for a signal; the lock is held before and after.
    ///
    /// It may wake without one.
    public func wait() { pthread_cond_wait(condition, shared.mutex) }

    /// Waits at most so many seconds; `false` when they have passed.
    public func wait(seconds: Double) -> Bool {
        var deadline = timespec()
        clock_gettime(CLOCK_MONOTONIC, &deadline)
        let span = min(max(seconds, 0), 1e9)
        let whole = Int(span)
        deadline.tv_sec += whole
        deadline.tv_nsec += Int((span - Double(whole)) * 1e9)
        if deadline.tv_nsec >= 1_000_000_000 {
            deadline.tv_nsec -= 1_000_000_000
            deadline.tv_sec += 1
        }
        return pthread_cond_timedwait(condition, shared.mutex, &deadline) == 0
    }

    /// Wakes one waiter.
    public func signal() { pthread_cond_signal(condition) }

    /// Wakes all waiters.
    public func broadcast() { pthread_cond_broadcast(condition) }

    /// Runs `body` with the lock held.
    public func withLock<R, E: Error>(_ body: () throws(E) -> R) throws(E) -> R {
        lock()
        defer { unlock() }
        return try body()
    }
}
