import LifeboatCore

/// Times and durations as people and programs read them; always UTC.
enum TimeText {
    /// RFC 3339 with milliseconds: `2026-01-02T03:04:05.678Z`.
    static func exact(_ milliseconds: UInt64) -> String {
        let parts = Parts(milliseconds)
        return "\(parts.date)T\(parts.clock).\(pad(milliseconds % 1000, 3))Z"
    }

    /// For tables: `2026-01-02 03:04:05Z`.
    static func short(_ milliseconds: UInt64) -> String {
        let parts = Parts(milliseconds)
        return "\(parts.date) \(parts.clock)Z"
    }

    /// `2026-01-02`.
    static func date(_ milliseconds: UInt64) -> String { Parts(milliseconds).date }

    /// A duration as a clock would count it: `0:07`, `12:34`, `1:02:03`, `3 d 4 h`.
    static func duration(_ seconds: Double) -> String {
        guard seconds.isFinite, seconds >= 0, seconds < 1e9 else { return "?" }
        let whole = UInt64(seconds.rounded())
        let (minutes, hours) = (whole / 60 % 60, whole / 3600)
        if hours >= 48 { return "\(hours / 24) d \(hours % 24) h" }
        if hours > 0 { return "\(hours):\(pad(minutes, 2)):\(pad(whole % 60, 2))" }
        return "\(minutes):\(pad(whole % 60, 2))"
    }

    /// How long something took: `0.31 s`, `12.3 s`, from a minute on as `duration`.
    static func elapsed(_ seconds: Double) -> String {
        guard seconds.isFinite, seconds >= 0 else { return "?" }
        if seconds >= 60 { return duration(seconds) }
        return NumberText.fixed(seconds, places: seconds < 10 ? 2 : 1) + " s"
    }

    private struct Parts {
        var date: String
        var clock: String

        init(_ milliseconds: UInt64) {
            date = DateText.day(milliseconds)
            let second = milliseconds / 1000 % 86400
            clock = "\(pad(second / 3600, 2)):\(pad(second / 60 % 60, 2)):\(pad(second % 60, 2))"
        }
    }

    private static func pad(_ value: UInt64, _ width: Int) -> String {
        let text = String(value)
        return String(repeating: "0", count: max(0, width - text.count)) + text
    }
}

/// Numbers with a fixed count of places.
enum NumberText {
    static func fixed(_ value: Double, places: Int) -> String {
        guard value.isFinite, abs(value) < 1e15 else { return "?" }
        var scale = 1.0
        for _ in 0..<places { scale *= 10 }
        let rounded = UInt64((abs(value) * scale).rounded())
        let sign = value < 0 && rounded > 0 ? "-" : ""
        guard places > 0 else { return sign + String(rounded) }
        let unit = UInt64(scale)
        let fraction = String(rounded % unit)
        return sign + "\(rounded / unit)."
            + String(repeating: "0", count: places - fraction.count) + fraction
    }
}
