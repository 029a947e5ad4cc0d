import LifeboatTesting
import Testing

@testable import LifeboatStore

@Suite struct RetryScheduleTests {
    @Test(arguments: TestSeeds.all) func `delays stay below a ceiling that doubles`(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let policy = RetryPolicy(attempts: 10, seconds: 1000)
        var largest = [Double](repeating: 0, count: 9)
        for _ in 0..<200 {
            var schedule = RetrySchedule(policy)
            for index in 0..<9 {
                let delay =
                    schedule.delay(spent: 0, retryAfter: nil, using: &generator) ?? .infinity
                largest[index] = max(largest[index], delay)
            }
            #expect(schedule.delay(spent: 0, retryAfter: nil, using: &generator) == nil)
        }
        for (most, ceiling) in zip(largest, [0.5, 1, 2, 4, 8, 16, 30, 30, 30]) {
            #expect(most <= ceiling)
            // All of the range is used: of 200 draws one is near its top.
            #expect(most > ceiling * 0.8)
        }
    }

    @Test(arguments: [
        (0.0, 0.0, true), (9.4, 0, true), (10.1, 0, false), (10.1, 5, true), (15.1, 5, false),
    ]) func `the time in all is bounded`(spent: Double, allowance: Double, goesOn: Bool) {
        var generator = SeededGenerator(seed: 1)
        var schedule = RetrySchedule(RetryPolicy(seconds: 10), allowance: allowance)
        let delay = schedule.delay(spent: spent, retryAfter: nil, using: &generator)
        #expect((delay != nil) == goesOn)
    }

    @Test(arguments: [(7.0, 7.0), (0, 0), (-5, 0), (500, 20), (.infinity, 20)])
    func `the server's wish is followed up to a bound`(wish: Double, least: Double) throws {
        var generator = SeededGenerator(seed: 2)
        var schedule = RetrySchedule(RetryPolicy(retryAfterCap: 20))
        let delay = try #require(schedule.delay(spent: 0, retryAfter: wish, using: &generator))
        #expect((least...(least + 0.5)).contains(delay))
    }

    @Test func `a wish beyond the time in all ends it`() {
        var generator = SeededGenerator(seed: 3)
        var schedule = RetrySchedule(RetryPolicy(seconds: 10))
        #expect(schedule.delay(spent: 0, retryAfter: 11, using: &generator) == nil)
    }
}
