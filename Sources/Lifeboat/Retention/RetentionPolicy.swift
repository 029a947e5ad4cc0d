public import LifeboatCore

/// How many points of a group are kept: a pure rule, the same for everybody.
///
/// What no rule keeps may go, except for what is protected: the newest point of a group, its newest
/// good one, points on hold, and those that are too young. Buckets are hours, days, weeks from
/// Monday, months and years of UTC; of each, the newest point is kept.
public struct RetentionPolicy: Hashable, Sendable {
    /// What a policy looks at.
    public struct Candidate: Hashable, Sendable {
        public var id: Digest
        /// Points are counted within their group.
        public var group: [String]
        /// Milliseconds since 1970.
        public var time: UInt64
        /// Whether its consistency is better than `none`, and nothing about it was warned of.
        public var isGood: Bool
        public var isHeld: Bool
        /// The time before which it may not be forgotten.
        public var forgettableFrom: UInt64

        public init(
            id: Digest, group: [String], time: UInt64, isGood: Bool = true, isHeld: Bool = false,
            forgettableFrom: UInt64 = 0
        ) {
            self.id = id
            self.group = group
            self.time = time
            self.isGood = isGood
            self.isHeld = isHeld
            self.forgettableFrom = forgettableFrom
        }
    }

    public var last = 0
    public var hourly = 0
    public var daily = 0
    public var weekly = 0
    public var monthly = 0
    public var yearly = 0
    /// How far before a group's newest point all are kept.
    public var within: RetentionSpan?

    public init() {}

    /// Whether no rule keeps anything.
    public var isEmpty: Bool { self == RetentionPolicy() }

    /// Why each point is kept; points without a reason are those to forget.
    public func reasons(
        _ candidates: [Candidate], now: UInt64
    ) -> [Digest: [RetentionReason]] {
        var reasons: [Digest: [RetentionReason]] = [:]
        for group in Self.groups(candidates) {
            for (id, reason) in rules(group) { reasons[id, default: []].append(reason) }
        }
        return reasons.merging(Self.protections(candidates, now: now)) { $0 + $1 }
    }

    /// What may not be forgotten, whatever anybody wants, and why.
    public static func protections(
        _ candidates: [Candidate], now: UInt64
    ) -> [Digest: [RetentionReason]] {
        var reasons: [Digest: [RetentionReason]] = [:]
        for candidate in candidates {
            reasons[candidate.id] = []
            if candidate.isHeld { reasons[candidate.id]?.append(.held) }
            if now < candidate.forgettableFrom {
                reasons[candidate.id]?.append(.tooYoung(until: candidate.forgettableFrom))
            }
        }
        for group in groups(candidates) {
            guard let newest = group.first else { continue }
            reasons[newest.id]?.append(.newest)
            if !newest.isGood, let good = group.first(where: \.isGood) {
                reasons[good.id]?.append(.newestGood)
            }
        }
        return reasons
    }

    /// The groups, each with its newest first.
    private static func groups(_ candidates: [Candidate]) -> [[Candidate]] {
        Dictionary(grouping: candidates, by: \.group).values.map { group in
            group.sorted { ($0.time, $0.id) > ($1.time, $1.id) }
        }
    }

    private func rules(_ group: [Candidate]) -> [(id: Digest, reason: RetentionReason)] {
        var kept = group.prefix(max(0, last)).map { (id: $0.id, reason: RetentionReason.last) }
        let buckets: [(name: String, count: Int, bucket: (UInt64) -> String)] = [
            ("hourly", hourly, Self.hour), ("daily", daily, DateText.day),
            ("weekly", weekly, Self.week), ("monthly", monthly, Self.month),
            ("yearly", yearly, Self.year),
        ]
        for (name, count, bucket) in buckets {
            var left = count
            var current: String?
            for candidate in group {
                guard left > 0 else { break }
                let name = (rule: name, bucket: bucket(candidate.time))
                guard name.bucket != current else { continue }
                current = name.bucket
                left -= 1
                kept.append((candidate.id, .newestOf(rule: name.rule, bucket: name.bucket)))
            }
        }
        if let within, let newest = group.first {
            let start = within.start(before: newest.time)
            for candidate in group where candidate.time >= start {
                kept.append((candidate.id, .within(within.text)))
            }
        }
        return kept
    }

    private static func hour(_ time: UInt64) -> String {
        DateText.day(time) + " " + DateText.two(Int(time / 3_600_000 % 24)) + "h"
    }

    private static func week(_ time: UInt64) -> String {
        let week = CivilDate(milliseconds: time).week
        return "\(week.year)-W\(DateText.two(week.number))"
    }

    private static func month(_ time: UInt64) -> String {
        let date = CivilDate(milliseconds: time)
        return "\(date.year)-\(DateText.two(date.month))"
    }

    private static func year(_ time: UInt64) -> String {
        String(CivilDate(milliseconds: time).year)
    }
}
