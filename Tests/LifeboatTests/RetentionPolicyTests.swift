import Lifeboat
import LifeboatCore
import LifeboatTesting
import Testing

/// Milliseconds since 1970 of a time in UTC.
private func time(
    _ year: Int, _ month: Int, _ day: Int, _ hour: Int = 0, _ minute: Int = 0, _ second: Int = 0
) -> UInt64 {
    let days = CivilDate(year: year, month: month, day: day).number
    return UInt64(days * 86_400 + hour * 3600 + minute * 60 + second) * 1000
}

private let now = time(2030, 1, 1)

/// Points of one group, with numbers for ids.
private func points(_ times: [UInt64]) -> [RetentionPolicy.Candidate] {
    times.enumerated().map { index, time in
        .init(id: Digest(UInt64(index), 0, 0, 1), group: ["m"], time: time)
    }
}

/// The positions of those that are kept.
private func kept(_ policy: RetentionPolicy, _ candidates: [RetentionPolicy.Candidate]) -> [Int] {
    let reasons = policy.reasons(candidates, now: now)
    return candidates.indices.filter { reasons[candidates[$0].id]?.isEmpty == false }
}

private func policy(_ set: (inout RetentionPolicy) -> Void) -> RetentionPolicy {
    var policy = RetentionPolicy()
    set(&policy)
    return policy
}

private var rules: [String: WritableKeyPath<RetentionPolicy, Int>] {
    [
        "last": \.last, "hourly": \.hourly, "daily": \.daily, "weekly": \.weekly,
        "monthly": \.monthly, "yearly": \.yearly,
    ]
}

@Suite struct RetentionPolicyTests {
    @Test func `the newest are kept`() {
        let list = points((0..<9).map { time(2026, 1, 1, $0) })
        #expect(kept(policy { $0.last = 3 }, list) == [6, 7, 8])
        #expect(kept(policy { $0.last = 100 }, list) == Array(0..<9))
    }

    @Test(arguments: [
        // The last moment of a bucket, and the first of the next.
        ("hourly", time(2026, 3, 4, 5, 59, 59), time(2026, 3, 4, 6)),
        ("daily", time(2026, 3, 4, 23, 59, 59), time(2026, 3, 5)),
        ("daily", time(2028, 2, 28, 23, 59, 59), time(2028, 2, 29)),
        // A Sunday and a Monday; also where a year begins within a week.
        ("weekly", time(2026, 3, 8, 23, 59, 59), time(2026, 3, 9)),
        ("weekly", time(2027, 1, 3, 23, 59, 59), time(2027, 1, 4)),
        ("monthly", time(2026, 2, 28, 23, 59, 59), time(2026, 3, 1)),
        ("yearly", time(2026, 12, 31, 23, 59, 59), time(2027, 1, 1)),
    ])
    func `of each bucket the newest is kept`(
        rule: String, end: UInt64, begin: UInt64
    ) throws {
        let rule = try #require(rules[rule])
        // Two in the first bucket, two in the next.
        let list = points([end - 1000, end, begin, begin + 1000])
        #expect(kept(policy { $0[keyPath: rule] = 2 }, list) == [1, 3])
        #expect(kept(policy { $0[keyPath: rule] = 1 }, list) == [3])
        #expect(kept(policy { $0[keyPath: rule] = 9 }, list) == [1, 3])
    }

    @Test func `a week that two years share is one`() {
        // Tuesday and Friday of week 2026-W53.
        let list = points([time(2026, 12, 29), time(2027, 1, 1)])
        #expect(kept(policy { $0.weekly = 5 }, list) == [1])
        #expect(kept(policy { $0.yearly = 5 }, list) == [0, 1])
    }

    @Test func `empty buckets do not count`() {
        let list = points([time(2020, 1, 1), time(2024, 1, 1), time(2026, 1, 1), time(2026, 1, 2)])
        #expect(kept(policy { $0.daily = 3 }, list) == [1, 2, 3])
        #expect(kept(policy { $0.monthly = 3 }, list) == [0, 1, 3])
    }

    @Test(arguments: [
        ("30d", time(2026, 3, 31, 12), time(2026, 3, 1, 12)),
        ("1m", time(2026, 3, 31, 12), time(2026, 2, 28, 12)),
        ("1y6m", time(2026, 3, 31, 12), time(2024, 9, 30, 12)),
        ("1y", time(2028, 2, 29), time(2027, 2, 28)),
        ("12h", time(2026, 1, 1, 6), time(2025, 12, 31, 18)),
        ("1m1d1h", time(2026, 1, 1, 0), time(2025, 11, 29, 23)),
        ("100y", time(2026, 1, 1), 0),
    ]) func `all within a span are kept`(span: String, newest: UInt64, border: UInt64) throws {
        let span = try #require(RetentionSpan(span))
        #expect(span.start(before: newest) == border)
        let list = points([border &- (border > 0 ? 1 : 0), border, newest - 1, newest])
        #expect(
            kept(policy { $0.within = span }, list) == (border > 0 ? [1, 2, 3] : [0, 1, 2, 3]))
    }

    @Test(arguments: ["1y6m", "12h", "30d", "2y3m4d5h"]) func `spans are read`(text: String) {
        #expect(RetentionSpan(text)?.text == text)
    }

    @Test(arguments: [
        "", "d", "1", "0d", "1d1y", "1d1d", "-1d", "1.5d", "1w", "1d ", "100001d",
        "99999999999999999999d", "١d",
    ]) func `other spans are refused`(text: String) {
        #expect(RetentionSpan(text) == nil)
    }

    @Test func `groups are counted apart`() {
        var list = points((0..<6).map { time(2026, 1, 1, $0) })
        for index in [1, 3, 5] { list[index].group = ["m", "=night"] }
        #expect(kept(policy { $0.last = 2 }, list) == [2, 3, 4, 5])
    }

    @Test func `what is protected stays, and says why`() {
        var list = points((0..<6).map { time(2026, 1, 1, $0) })
        list[0].isHeld = true
        list[1].forgettableFrom = now + 1
        list[2].forgettableFrom = now
        list[4].isGood = false
        list[5].isGood = false
        let reasons = policy { $0.last = 1 }.reasons(list, now: now)
        #expect(
            list.map { reasons[$0.id] ?? [] } == [
                [.held], [.tooYoung(until: now + 1)], [], [.newestGood], [], [.last, .newest],
            ])
        #expect(RetentionPolicy.protections(list, now: now)[list[5].id] == [.newest])
    }

    // MARK: for any points and any policy

    private struct Sample {
        var candidates: [RetentionPolicy.Candidate] = []
        var policy = RetentionPolicy()

        init(_ generator: inout SeededGenerator) {
            let span =
                [3_600_000, 86_400_000, 40 * 86_400_000, 900 * 86_400_000]
                .randomElement(using: &generator) ?? 1
            for _ in 0..<Int.random(in: 0...60, using: &generator) {
                candidates.append(
                    .init(
                        id: Digest(generator.next(), 0, 0, 0),
                        group: [["a", "b", "c"].randomElement(using: &generator) ?? ""],
                        time: now - UInt64.random(in: 0...UInt64(span), using: &generator),
                        isGood: Int.random(in: 0..<3, using: &generator) > 0,
                        isHeld: Int.random(in: 0..<9, using: &generator) == 0,
                        forgettableFrom: Int.random(in: 0..<9, using: &generator) == 0
                            ? now + 1 : 0))
            }
            for (_, rule) in rules.sorted(by: { $0.key < $1.key })
            where Int.random(in: 0..<3, using: &generator) == 0 {
                policy[keyPath: rule] = Int.random(in: 0...9, using: &generator)
            }
            if Bool.random(using: &generator) {
                policy.within = RetentionSpan(
                    months: Int.random(in: 0...3, using: &generator),
                    days: Int.random(in: 0...40, using: &generator),
                    hours: Int.random(in: 1...30, using: &generator))
            }
        }

        func forgotten(_ policy: RetentionPolicy) -> Set<Digest> {
            Set(policy.reasons(candidates, now: now).filter(\.value.isEmpty).keys)
        }
    }

    @Test(arguments: TestSeeds.scaled(60)) func `no group loses its newest good point`(
        seed: UInt64
    ) {
        var generator = SeededGenerator(seed: seed)
        let sample = Sample(&generator)
        let forgotten = sample.forgotten(sample.policy)
        for group in Dictionary(grouping: sample.candidates, by: \.group).values {
            let order = group.sorted { ($0.time, $0.id) < ($1.time, $1.id) }
            #expect(order.last.map { forgotten.contains($0.id) } == false)
            #expect(order.last(where: \.isGood).map { forgotten.contains($0.id) } != true)
        }
        for candidate in sample.candidates where candidate.isHeld || candidate.forgettableFrom > now
        {
            #expect(!forgotten.contains(candidate.id))
        }
    }

    @Test(arguments: TestSeeds.scaled(60)) func `to keep more never forgets more`(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let sample = Sample(&generator)
        let forgotten = sample.forgotten(sample.policy)
        for rule in rules.values {
            var more = sample.policy
            more[keyPath: rule] += 1
            #expect(sample.forgotten(more).isSubset(of: forgotten))
        }
        var longer = sample.policy
        longer.within = longer.within ?? RetentionSpan(hours: 1)
        longer.within?.days += 7
        #expect(sample.forgotten(longer).isSubset(of: forgotten))
    }

    @Test(arguments: TestSeeds.scaled(60)) func `a policy that was followed forgets nothing more`(
        seed: UInt64
    ) {
        var generator = SeededGenerator(seed: seed)
        var sample = Sample(&generator)
        let forgotten = sample.forgotten(sample.policy)
        sample.candidates.shuffle(using: &generator)
        #expect(sample.forgotten(sample.policy) == forgotten, "the order does not matter")
        sample.candidates.removeAll { forgotten.contains($0.id) }
        #expect(sample.forgotten(sample.policy).isEmpty)
    }
}
