/// Dates for messages.
public enum DateText {
    /// The day in UTC of milliseconds since 1970, such as `2026-01-02`.
    public static func day(_ milliseconds: UInt64) -> String {
        let date = CivilDate(milliseconds: milliseconds)
        return "\(date.year)-\(two(date.month))-\(two(date.day))"
    }

    /// Day and time in UTC, such as `2026-01-02 03:04:05Z`.
    public static func second(_ milliseconds: UInt64) -> String {
        let second = Int(milliseconds / 1000 % 86400)
        return day(milliseconds)
            + " \(two(second / 3600)):\(two(second / 60 % 60)):\(two(second % 60))Z"
    }

    /// A number with at least two digits.
    public static func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
}
