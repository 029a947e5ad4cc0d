import ArgumentParser

/// A duration on the command line: `90s`, `30m`, `24h`, `7d`, `0`.
struct DurationArgument: ExpressibleByArgument, Equatable, Sendable {
    var milliseconds: UInt64

    private static let units: [(Character, UInt64)] = [
        ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000),
    ]
    /// A thousand years; beyond is a mistake.
    private static let limit: UInt64 = 365_000 * 86_400_000

    init(milliseconds: UInt64) { self.milliseconds = milliseconds }

    init?(argument: String) {
        if argument == "0" {
            milliseconds = 0
            return
        }
        guard let last = argument.last,
            let unit = Self.units.first(where: { $0.0 == last })?.1,
            argument.dropLast().allSatisfy({ $0.isASCII && $0.isNumber }),
            let count = UInt64(argument.dropLast()), count <= Self.limit / unit
        else { return nil }
        milliseconds = count * unit
    }

    /// `24h`, so that what the help shows can be typed.
    var defaultValueDescription: String {
        for (name, unit) in Self.units.dropFirst()
        where milliseconds >= unit && milliseconds.isMultiple(of: unit) {
            return "\(milliseconds / unit)\(name)"
        }
        return "0"
    }
}
