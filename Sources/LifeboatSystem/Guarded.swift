/// A value behind a lock.
///
/// Unlike the standard library's `Mutex` it is built on a POSIX mutex, which the thread sanitizer
/// understands: that one gives false alarms with `Mutex`.
public final class Guarded<Value: Sendable>: @unchecked Sendable {
    private let condition = Condition()
    private var value: Value

    public init(_ value: Value) { self.value = value }

    /// Runs `body` with the lock held.
    public func withLock<R, E: Error>(_ body: (inout Value) throws(E) -> R) throws(E) -> R {
        condition.lock()
        defer { condition.unlock() }
        return try body(&value)
    }
}
