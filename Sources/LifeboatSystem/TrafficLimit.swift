/// How many bytes a second all that share it may move in one direction.
///
/// Safe from many threads; the rate may change at any time, also for those who wait.
public final class TrafficLimit: Sendable {
    /// The longest wait without a look at the rate, in seconds.
    private static let step = 0.1

    private let bucket: Guarded<TokenBucket?>
    private let now: @Sendable () -> Double
    private let sleep: @Sendable (Double) -> Void

    /// `nil` for no limit; 0 counts as 1.
    public convenience init(bytesPerSecond: UInt64? = nil) {
        self.init(
            bytesPerSecond: bytesPerSecond, now: Clock.monotonicSeconds,
            sleep: { Threads.sleep(seconds: $0) })
    }

    init(
        bytesPerSecond: UInt64?, now: @escaping @Sendable () -> Double,
        sleep: @escaping @Sendable (Double) -> Void
    ) {
        self.now = now
        self.sleep = sleep
        bucket = Guarded(
            bytesPerSecond.map { TokenBucket(rate: Self.rate($0), now: now()) })
    }

    /// The limit; `nil` for none.
    public var bytesPerSecond: UInt64? {
        get { bucket.withLock { $0.map { UInt64($0.rate) } } }
        set {
            let now = now()
            bucket.withLock { bucket in
                guard let newValue else {
                    bucket = nil
                    return
                }
                let rate = Self.rate(newValue)
                if bucket == nil { bucket = TokenBucket(rate: rate, now: now) }
                bucket?.change(rate: rate, now: now)
            }
        }
    }

    /// Within what a bucket can reckon with exactly.
    private static func rate(_ bytesPerSecond: UInt64) -> Double {
        Double(min(max(1, bytesPerSecond), 1 << 50))
    }

    /// The most bytes to move at once, so that traffic flows evenly.
    public var piece: Int {
        bytesPerSecond.map { Int(min(max(1024, $0 / 10), 1 << 20)) } ?? Int.max
    }

    /// Waits until so many bytes may move, and answers the seconds that it waited.
    @discardableResult public func wait(_ byteCount: Int) -> Double {
        let begin = now()
        while true {
            let moment = now()
            let seconds = bucket.withLock { $0?.take(byteCount, now: moment) ?? 0 }
            guard seconds > 0 else { return moment - begin }
            sleep(min(seconds, Self.step))
        }
    }
}
