/// How often and how long a request is tried.
struct RetryPolicy: Sendable {
    var attempts = 8
    /// Seconds in all, besides what the bytes of the request may take.
    var seconds = 300.0
    /// The longest first delay, in seconds; it doubles with each attempt.
    var base = 0.5
    /// The longest delay.
    var cap = 30.0
    /// The longest that a server's `Retry-After` is followed.
    var retryAfterCap = 120.0
}

/// When to try again: exponential backoff with full jitter.
struct RetrySchedule {
    private let policy: RetryPolicy
    private let budget: Double
    private var attempts = 0

    /// `allowance`: seconds that the bytes of one attempt may take.
    init(_ policy: RetryPolicy, allowance: Double = 0) {
        self.policy = policy
        budget = policy.seconds + allowance
    }

    /// The seconds to wait after an attempt that failed; `nil` to give up.
    mutating func delay(
        spent: Double, retryAfter: Double?, using generator: inout some RandomNumberGenerator
    ) -> Double? {
        attempts += 1
        guard attempts < policy.attempts else { return nil }
        var ceiling = policy.base
        for _ in 1..<attempts where ceiling < policy.cap { ceiling *= 2 }
        var delay = Double.random(in: 0...min(policy.cap, ceiling), using: &generator)
        // The jitter stays: many clients are told the same moment.
        if let retryAfter { delay += min(max(0, retryAfter), policy.retryAfterCap) }
        return spent + delay <= budget ? delay : nil
    }
}
