import ArgumentParser
import LifeboatCore

/// A size on the command line: `65536`, `64KiB`, `1.5GiB`.
struct ByteCountArgument: ExpressibleByArgument, Equatable, Sendable {
    var bytes: UInt64

    init(_ bytes: UInt64) { self.bytes = bytes }

    init?(argument: String) {
        guard let bytes = ByteText.parse(argument) else { return nil }
        self.bytes = bytes
    }

    /// `64KiB`, so that what the help shows can be typed.
    var defaultValueDescription: String {
        let units: [(UInt64, String)] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")]
        for (unit, name) in units
        where bytes >= unit && bytes.isMultiple(of: unit) {
            return "\(bytes / unit)\(name)"
        }
        return String(bytes)
    }
}
