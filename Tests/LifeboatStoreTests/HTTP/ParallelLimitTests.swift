import LifeboatSystem
import LifeboatTesting
import Testing

@testable import LifeboatStore

@Suite struct ParallelLimitTests {
    /// Runs a server that is worth `useful` requests at once and refuses beyond `most`; the limits
    /// over time.
    private func run(useful: Int, most: Int, bounds: ParallelLimit.Bounds, seconds: Int) -> [Int] {
        var limit = ParallelLimit(bounds)
        var now = 0.0
        var result: [Int] = []
        for _ in 0..<(seconds * 4) {
            let count = limit.current
            let begin = now
            for index in 1...count { limit.begun(inFlight: index, now: begin) }
            // Beyond what is useful, all only take longer.
            now += 0.25 * Double(max(count, useful)) / Double(useful)
            for index in 1...count {
                limit.ended(
                    byteCount: 1 << 20, isCongested: index > most, begin: begin, now: now)
            }
            result.append(limit.current)
        }
        return result
    }

    @Test func `the limit grows while that brings more`() {
        let limits = run(useful: 100, most: 100, bounds: .init(), seconds: 200)
        #expect(limits.prefix(4).contains(32))
        #expect(limits.last == 32)
        #expect(zip(limits, limits.dropFirst()).allSatisfy { $1 == $0 || $1 == 2 * $0 })
    }

    @Test func `the limit hardly grows where that brings nothing`() {
        let limits = run(
            useful: 6, most: 100, bounds: .init(minimum: 1, initial: 2, maximum: 32), seconds: 40)
        #expect(limits.contains { $0 >= 6 })
        #expect((limits.last ?? 0) < 16)
        // Afterwards it grows by one, now and then.
        #expect(zip(limits, limits.dropFirst()).suffix(100).allSatisfy { $1 == $0 || $1 == $0 + 1 })
    }

    @Test func `the limit falls when the server has too many`() {
        let limits = run(useful: 100, most: 10, bounds: .init(), seconds: 200)
        // The first steps may go too far, once.
        #expect(limits.dropFirst(8).allSatisfy { $0 <= 11 })
        #expect(limits.suffix(100).contains { $0 >= 9 })
        #expect(limits.suffix(100).contains { $0 <= 6 })
    }

    @Test func `one wave of refusals halves it once`() {
        var limit = ParallelLimit(.init(minimum: 1, initial: 16, maximum: 32))
        for index in 1...16 { limit.begun(inFlight: index, now: 1) }
        for _ in 1...16 { limit.ended(byteCount: 0, isCongested: true, begin: 1, now: 2) }
        #expect(limit.current == 8)
        limit.begun(inFlight: 1, now: 3)
        limit.ended(byteCount: 0, isCongested: true, begin: 3, now: 4)
        #expect(limit.current == 4)
    }

    @Test(arguments: [(1, 1), (2, 2), (0, 1), (-3, 1)])
    func `the limit never falls below its least`(minimum: Int, least: Int) {
        var limit = ParallelLimit(.init(minimum: minimum, initial: 4, maximum: 8))
        for moment in 0..<20 {
            limit.begun(inFlight: 1, now: Double(moment))
            limit.ended(
                byteCount: 0, isCongested: true, begin: Double(moment), now: Double(moment))
        }
        #expect(limit.current == least)
    }

    @Test func `few requests say nothing`() {
        var limit = ParallelLimit(.init(minimum: 1, initial: 4, maximum: 32))
        for moment in 0..<100 {
            limit.begun(inFlight: 1, now: Double(moment))
            limit.ended(
                byteCount: moment << 10, isCongested: false, begin: Double(moment),
                now: Double(moment) + 0.9)
        }
        #expect(limit.current == 4)
    }

    @Test(arguments: [1, 3]) func `a gate lets through no more than its limit`(limit: Int) {
        let gate = ConnectionGate(.init(minimum: limit, initial: limit, maximum: limit))
        let inside = Guarded((now: 0, most: 0))
        Threads.run(count: 12, name: "gate") { _ in
            for _ in 0..<50 {
                let begin = gate.enter()
                inside.withLock {
                    $0.now += 1
                    $0.most = max($0.most, $0.now)
                }
                inside.withLock { $0.now -= 1 }
                gate.leave(begin: begin, byteCount: 10, isCongested: false)
            }
        }
        #expect(inside.withLock { $0.most } <= limit)
        #expect(inside.withLock { $0.now } == 0)
    }
}
