import LifeboatCore

/// A span of the calendar, such as one year and six months; UTC.
public struct RetentionSpan: Hashable, Sendable {
    public var years = 0
    public var months = 0
    public var days = 0
    public var hours = 0

    public init(years: Int = 0, months: Int = 0, days: Int = 0, hours: Int = 0) {
        self.years = years
        self.months = months
        self.days = days
        self.hours = hours
    }

    /// No part of a span is greater.
    public static let partLimit = 100_000

    private static var parts: [(Character, WritableKeyPath<RetentionSpan, Int>)] {
        [("y", \.years), ("m", \.months), ("d", \.days), ("h", \.hours)]
    }

    /// Reads `30d`, `12h`, `1y6m`: years, months, days and hours, in this order.
    public init?(_ text: String) {
        self.init()
        var rest = text[...]
        var allowed = Self.parts[...]
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isASCII && $0.isNumber }
            rest = rest.dropFirst(digits.count)
            guard let count = Int(digits), count <= Self.partLimit, let unit = rest.popFirst(),
                let index = allowed.firstIndex(where: { $0.0 == unit })
            else { return nil }
            self[keyPath: allowed[index].1] = count
            allowed = allowed[(index + 1)...]
        }
        if self == RetentionSpan() { return nil }
    }

    /// The moment so long before `milliseconds` since 1970; 1970 at the earliest.
    public func start(before milliseconds: UInt64) -> UInt64 {
        let date = CivilDate(milliseconds: milliseconds).earlier(years: years, months: months)
        let day = 86_400_000
        let start =
            (date.number - days) * day + Int(milliseconds % UInt64(day)) - hours * 3_600_000
        return UInt64(max(0, start))
    }

    /// `1y6m`.
    public var text: String {
        Self.parts.filter { self[keyPath: $0.1] > 0 }
            .map { "\(self[keyPath: $0.1])\($0.0)" }.joined()
    }
}
