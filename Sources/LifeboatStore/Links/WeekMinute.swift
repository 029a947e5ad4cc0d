internal import Glibc

/// A minute of the week, from Monday 00:00.
struct WeekMinute: Hashable, Sendable {
    static let perDay = 1440
    static let perWeek = 7 * perDay
    static let dayNames = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

    /// From 0 to `perWeek` - 1.
    let number: Int

    /// Counts round the week.
    init(_ number: Int) {
        let rest = number % Self.perWeek
        self.number = rest < 0 ? rest + Self.perWeek : rest
    }

    /// - `day`: 0 for Monday.
    init(day: Int, minute: Int) { self.init(day * Self.perDay + minute) }

    /// The minute of milliseconds since 1970, in the local time zone.
    init(local milliseconds: UInt64) {
        var seconds = time_t(milliseconds / 1000)
        var parts = tm()
        localtime_r(&seconds, &parts)
        // Glibc's weeks begin on Sunday.
        self.init(
            day: (Int(parts.tm_wday) + 6) % 7, minute: Int(parts.tm_hour) * 60 + Int(parts.tm_min))
    }

    /// From 0 for Monday.
    var day: Int { number / Self.perDay }
    /// From 00:00.
    var minute: Int { number % Self.perDay }
}

extension WeekMinute: CustomStringConvertible {
    /// `mon 08:00`.
    var description: String { "\(Self.dayNames[day]) \(Self.clock(minute))" }

    /// `08:00`.
    static func clock(_ minute: Int) -> String {
        func two(_ number: Int) -> String { (number < 10 ? "0" : "") + String(number) }
        return two(minute / 60) + ":" + two(minute % 60)
    }
}
