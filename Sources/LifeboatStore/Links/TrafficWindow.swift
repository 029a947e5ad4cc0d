internal import LifeboatCore

/// A rate for certain hours of certain days: `mon-fri 08:00-18:00 20MB/s`.
///
/// A window that ends when it begins or earlier reaches into the next day; it belongs to the day
/// that it begins on.
struct TrafficWindow: Hashable, Sendable {
    /// Which of the days, Monday first, it begins on.
    let days: [Bool]
    /// Minutes of the day; `end` may be 24:00 and is not in the window any more.
    let begin: Int
    let end: Int
    let rate: TrafficRate
    /// `nil` for both.
    let direction: Direction?

    /// The ways that bytes go.
    enum Direction: String, Hashable, Sendable, CaseIterable {
        case upload, download
    }

    /// Reads days, hours, a rate, and `upload` or `download` if it is for one only; `nil` for
    /// anything else.
    init?(_ text: String) {
        let words = text.split(separator: " ", omittingEmptySubsequences: true).map(String.init)
        guard (3...4).contains(words.count), let days = Self.days(words[0]),
            let hours = Self.hours(words[1]), let rate = TrafficRate(words[2])
        else { return nil }
        self.days = days
        self.rate = rate
        (begin, end) = hours
        direction = words.count == 4 ? Direction(rawValue: words[3]) : nil
        if words.count == 4, direction == nil { return nil }
    }

    /// How long it lasts, in minutes.
    var duration: Int { end > begin ? end - begin : end + WeekMinute.perDay - begin }

    /// Whether it is open then.
    func contains(_ moment: WeekMinute) -> Bool {
        if days[moment.day], moment.minute >= begin, moment.minute - begin < duration {
            return true
        }
        // It may have begun the day before.
        return days[(moment.day + 6) % 7]
            && moment.minute + WeekMinute.perDay - begin < duration
    }

    /// `mon-fri`, `sat,sun`, `fri-mon`, `daily`.
    private static func days(_ text: String) -> [Bool]? {
        if text == "daily" { return Array(repeating: true, count: 7) }
        var days = Array(repeating: false, count: 7)
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let ends = part.split(separator: "-", omittingEmptySubsequences: false).map {
                WeekMinute.dayNames.firstIndex(of: $0.lowercased())
            }
            guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1]
            else { return nil }
            let count = (last - first + 7) % 7
            for offset in 0...count { days[(first + offset) % 7] = true }
        }
        return days
    }

    /// `08:00-18:00`, `22:00-06:00`, `00:00-24:00`.
    private static func hours(_ text: String) -> (Int, Int)? {
        let ends = text.split(separator: "-", omittingEmptySubsequences: false).map(minute)
        guard ends.count == 2, let begin = ends[0], let end = ends[1], begin < WeekMinute.perDay
        else { return nil }
        // Nobody can tell whether that is a day or nothing.
        guard begin != end else { return nil }
        return (begin, end)
    }

    private static func minute(_ text: Substring) -> Int? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[1].utf8.count == 2, (1...2).contains(parts[0].utf8.count),
            parts.allSatisfy({ $0.utf8.allSatisfy { (48...57).contains($0) } }),
            let hour = Int(parts[0]), let minute = Int(parts[1]), minute < 60
        else { return nil }
        let total = hour * 60 + minute
        return total <= WeekMinute.perDay ? total : nil
    }
}

extension TrafficWindow: CustomStringConvertible {
    /// As it is read.
    var description: String {
        let names = WeekMinute.dayNames.indices.filter { days[$0] }.map { WeekMinute.dayNames[$0] }
        let dayText = names.count == 7 ? "daily" : names.joined(separator: ",")
        return "\(dayText) \(WeekMinute.clock(begin))-\(WeekMinute.clock(end)) \(rate)"
            + (direction.map { " \($0.rawValue)" } ?? "")
    }
}
