internal import Glibc

/// Time and the resources used so far.
public enum Clock {
    private static let simulated = Guarded<UInt64?>(nil)

    /// Lets `milliseconds` say what a simulation wants; `nil` for the system's clock again.
    ///
    /// For tests.
    public static func simulate(_ milliseconds: UInt64?) {
        simulated.withLock { $0 = milliseconds }
    }

    /// Milliseconds since 1970, by the system's clock.
    public static func milliseconds() -> UInt64 {
        if let simulated = simulated.withLock({ $0 }) { return simulated }
        let now = read(CLOCK_REALTIME)
        return UInt64(max(0, now.tv_sec)) * 1000 + UInt64(now.tv_nsec / 1_000_000)
    }

    /// Seconds from some fixed moment; never set back.
    public static func monotonicSeconds() -> Double { seconds(read(CLOCK_MONOTONIC)) }

    /// Processor time that this process has used, in seconds.
    public static func cpuSeconds() -> Double { seconds(read(CLOCK_PROCESS_CPUTIME_ID)) }

    /// The most memory that this process has had resident.
    public static var peakMemoryBytes: UInt64 {
        var usage = rusage()
        getrusage(Int32(RUSAGE_SELF.rawValue), &usage)
        return UInt64(max(0, usage.ru_maxrss)) * 1024
    }

    private static func read(_ clock: clockid_t) -> timespec {
        var now = timespec()
        clock_gettime(clock, &now)
        return now
    }

    private static func seconds(_ time: timespec) -> Double {
        Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
