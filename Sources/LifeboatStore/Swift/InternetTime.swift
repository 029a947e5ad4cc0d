internal import LifeboatCore

/// Moments as Keystone writes them: `2026-01-02T03:04:05.000000Z`.
enum InternetTime {
    /// Seconds since 1970; `nil` if the text is no such moment.
    static func seconds(_ text: String) -> Double? {
        guard text.hasSuffix("Z") else { return nil }
        let parts = text.dropLast().split(separator: "T", omittingEmptySubsequences: false)
        guard parts.count == 2 else { return nil }
        let date = parts[0].split(separator: "-", omittingEmptySubsequences: false)
            .compactMap { Int($0) }
        let time = parts[1].split(separator: ":", omittingEmptySubsequences: false)
        guard date.count == 3, time.count == 3, let hour = Int(time[0]), let minute = Int(time[1]),
            let second = Double(time[2]), (1970...9999).contains(date[0]),
            (1...12).contains(date[1]), (1...31).contains(date[2]), (0..<24).contains(hour),
            (0..<60).contains(minute), second >= 0, second < 61
        else { return nil }
        let day = CivilDate(year: date[0], month: date[1], day: date[2]).number
        return Double(day * 86400 + hour * 3600 + minute * 60) + second
    }
}
