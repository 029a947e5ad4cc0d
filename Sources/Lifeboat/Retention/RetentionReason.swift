import LifeboatCore

/// Why a point is kept.
public enum RetentionReason: Hashable, Sendable {
    /// It is among the newest that are to be kept.
    case last
    /// It is the newest of a stretch of time, such as `daily 2026-01-02`.
    case newestOf(rule: String, bucket: String)
    /// It is not older than this before the newest.
    case within(String)
    /// Somebody put it on hold.
    case held
    /// It is the newest of its group.
    case newest
    /// The newest of its group is not good, and this is the newest that is.
    case newestGood
    /// It may not be forgotten before this time, milliseconds since 1970.
    case tooYoung(until: UInt64)

    /// For people: `daily 2026-01-02`, `on hold`.
    public var text: String {
        switch self {
        case .last: "last"
        case .newestOf(let rule, let bucket): "\(rule) \(bucket)"
        case .within(let span): "within \(span)"
        case .held: "on hold"
        case .newest: "newest"
        case .newestGood: "newest good"
        case .tooYoung(let until): "too young until \(DateText.second(until))"
        }
    }
}
