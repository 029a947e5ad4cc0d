import LifeboatCore

/// Which points stay: all of the last hours, then one an hour, then one a day.
struct RetentionPolicy {
    static let hour: UInt64 = 3_600_000
    static let day: UInt64 = 24 * hour

    private enum Period: Hashable { case moment(UInt64), hour(UInt64), day(UInt64) }

    var allHours: UInt64
    var hourlyDays: UInt64

    /// Those of one machine's points, given in ascending order of time, that stay.
    func kept(_ points: [(id: Digest, time: UInt64)], now: UInt64) -> Set<Digest> {
        var kept: Set<Digest> = []
        var periods: Set<Period> = []
        for point in points.reversed() {
            let age = now - min(now, point.time)
            let period: Period =
                if age < allHours * Self.hour {
                    .moment(point.time)
                } else if age < hourlyDays * Self.day {
                    .hour(point.time / Self.hour)
                } else {
                    .day(point.time / Self.day)
                }
            if periods.insert(period).inserted { kept.insert(point.id) }
        }
        if let newest = points.last { kept.insert(newest.id) }
        return kept
    }
}
