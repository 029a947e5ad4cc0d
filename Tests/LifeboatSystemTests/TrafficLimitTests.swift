import Testing

@testable import LifeboatSystem

@Suite struct TrafficLimitTests {
    /// A clock that only sleeping moves on.
    private final class FakeClock: Sendable {
        let now = Guarded(100.0)
        let longest = Guarded(0.0)

        func sleep(_ seconds: Double) {
            now.withLock { $0 += seconds }
            longest.withLock { $0 = max($0, seconds) }
        }

        func limit(_ bytesPerSecond: UInt64?) -> TrafficLimit {
            TrafficLimit(
                bytesPerSecond: bytesPerSecond, now: { self.now.withLock { $0 } },
                sleep: { self.sleep($0) })
        }
    }

    @Test(
        arguments: [
            (1, 1), (1, 20), (10, 1), (10, 100), (1000, 1), (1000, 999), (1000, 100_000),
            (65536, 1), (65536, 999), (65536, 100_000), (1 << 30, 1), (1 << 30, 100_000_000),
        ] as [(UInt64, Int)])
    func `bytes take the time that they should`(rate: UInt64, piece: Int) {
        let clock = FakeClock()
        let limit = clock.limit(rate)
        var waited = 0.0
        for _ in 0..<50 { waited += limit.wait(piece) }
        // The last piece is still owed, and the burst is free.
        let due = Double(49 * piece) / Double(rate)
        #expect(abs(waited - due) <= 0.001 * due + 0.002)
        #expect(clock.longest.withLock { $0 } <= 0.1)
    }

    @Test func `without a limit nothing waits`() {
        let clock = FakeClock()
        let limit = clock.limit(nil)
        #expect(limit.wait(1 << 40) == 0)
        #expect(limit.piece == Int.max)
        #expect(limit.bytesPerSecond == nil)
    }

    @Test func `quiet times save up no more than a burst`() {
        let clock = FakeClock()
        let limit = clock.limit(1000)
        clock.sleep(3600)
        #expect(limit.wait(100) == 0)
        #expect(limit.wait(1000) == 0)
        #expect(abs(limit.wait(1) - 1) < 0.002)
    }

    @Test func `a new rate is for those who wait, too`() {
        let clock = FakeClock()
        let slow = clock.limit(10)
        _ = slow.wait(1000)
        #expect(abs(slow.wait(1) - 100) < 0.2)
        _ = slow.wait(1000)
        slow.bytesPerSecond = 1000
        #expect(slow.wait(1) < 1.2)
        slow.bytesPerSecond = 5
        _ = slow.wait(100_000)
        slow.bytesPerSecond = nil
        #expect(slow.wait(100_000) == 0)
    }

    @Test(
        arguments: [
            (1, 1024), (20000, 2000), (1 << 40, 1 << 20), (.max, 1 << 20), (0, 1024),
        ] as [(UInt64, Int)]) func `pieces fit the rate`(rate: UInt64, piece: Int)
    {
        let limit = TrafficLimit(bytesPerSecond: rate)
        #expect(limit.piece == piece)
        #expect(limit.bytesPerSecond.map { $0 >= 1 } == true)
    }
}
