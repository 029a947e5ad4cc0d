internal import LifeboatCore

/// The dates in headers, in all three forms of RFC 9110.
enum HTTPDate {
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// Seconds since 1970; `nil` for what is no date.
    static func seconds(_ text: String) -> Int? {
        // The forms differ in order and separators only: which word is what tells itself.
        let words = text.split { $0 == " " || $0 == "," || $0 == "-" }
        guard let month = words.lazy.compactMap({ months.firstIndex(of: String($0)) }).first,
            let time = words.first(where: { $0.contains(":") }).flatMap(secondOfDay)
        else { return nil }
        let numbers = words.compactMap { Int($0) }
        guard numbers.count == 2, let day = numbers.first, var year = numbers.last,
            (1...31).contains(day), (0...9999).contains(year)
        else { return nil }
        if year < 100 { year += year < 70 ? 2000 : 1900 }
        return CivilDate(year: year, month: month + 1, day: day).number * 86400 + time
    }

    private static func secondOfDay(_ word: Substring) -> Int? {
        let parts = word.split(separator: ":").map { Int($0) }
        guard parts.count == 3, let hour = parts[0], let minute = parts[1], let second = parts[2],
            (0...23).contains(hour), (0...59).contains(minute), (0...60).contains(second)
        else { return nil }
        return hour * 3600 + minute * 60 + second
    }

    /// The seconds that `Retry-After` asks for: a number, or a date.
    static func retryAfter(_ response: HTTPResponse, now: Int) -> Double? {
        guard let text = response.header("Retry-After") else { return nil }
        if let number = UInt32(text) { return Double(number) }
        guard let moment = seconds(text) else { return nil }
        // By the server's clock if it tells: the two may differ.
        let begin = response.header("Date").flatMap(seconds) ?? now
        return Double(max(0, moment - begin))
    }
}
