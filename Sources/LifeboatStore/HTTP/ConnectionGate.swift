internal import LifeboatSystem

/// Lets as many requests through at once as its limit says; the others wait.
final class ConnectionGate: Sendable {
    private final class State: @unchecked Sendable {
        var limit: ParallelLimit
        var inFlight = 0

        init(_ bounds: ParallelLimit.Bounds) { limit = ParallelLimit(bounds) }
    }

    private let condition = Condition()
    private let state: State

    init(_ bounds: ParallelLimit.Bounds) { state = State(bounds) }

    /// How many may be in flight now.
    var limit: Int { condition.withLock { state.limit.current } }

    /// Waits until one more may be in flight; the result is the moment, for `leave`.
    func enter() -> Double {
        condition.withLock {
            while state.inFlight >= state.limit.current { condition.wait() }
            state.inFlight += 1
            let now = Clock.monotonicSeconds()
            state.limit.begun(inFlight: state.inFlight, now: now)
            return now
        }
    }

    /// A request has ended.
    func leave(begin: Double, byteCount: Int, isCongested: Bool) {
        condition.withLock {
            state.inFlight -= 1
            state.limit.ended(
                byteCount: byteCount, isCongested: isCongested, begin: begin,
                now: Clock.monotonicSeconds())
            // The limit may have grown by one besides.
            condition.broadcast()
        }
    }
}
