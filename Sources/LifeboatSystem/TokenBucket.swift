/// A rate of bytes with a small burst; moments are seconds by some clock.
///
/// Who asks while nothing is owed gets all that it asks for, and the rest is owed: pieces may be
/// larger than the burst.
struct TokenBucket: Sendable {
    /// The burst, in seconds at the rate.
    private static let burstSeconds = 0.1

    private(set) var rate: Double
    private var balance = 0.0
    private var last: Double

    /// `rate`: bytes a second, more than 0.
    init(rate: Double, now: Double) {
        self.rate = rate
        last = now
    }

    /// Another rate from now on; what is owed stays owed.
    mutating func change(rate: Double, now: Double) {
        refill(now: now)
        self.rate = rate
        balance = min(balance, rate * Self.burstSeconds)
    }

    /// Takes bytes and answers 0, or takes none and answers the seconds until it is worth asking
    /// again.
    mutating func take(_ byteCount: Int, now: Double) -> Double {
        refill(now: now)
        guard balance >= 0 else { return -balance / rate }
        balance -= Double(byteCount)
        return 0
    }

    private mutating func refill(now: Double) {
        balance = min(rate * Self.burstSeconds, balance + max(0, now - last) * rate)
        last = max(last, now)
    }
}
