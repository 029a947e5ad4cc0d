/// Byte counts as people write and read them.
public enum ByteText {
    /// Reads `65536`, `64KiB`, `64K`, `1.5GiB` or `100MB`; `nil` for anything else.
    ///
    /// `K`, `M`, `G`, `T` and `KiB` … mean powers of 1,024; `KB`, `MB` … powers of 1,000.
    public static func parse(_ text: String) -> UInt64? {
        let number = text.prefix { $0.isNumber || $0 == "." }
        guard let value = Double(number), value >= 0 else { return nil }
        let unit: Double
        switch text.dropFirst(number.count).lowercased() {
        case "", "b": unit = 1
        case "k", "kib": unit = 1024
        case "m", "mib": unit = 1_048_576
        case "g", "gib": unit = 1_073_741_824
        case "t", "tib": unit = 1_099_511_627_776
        case "kb": unit = 1e3
        case "mb": unit = 1e6
        case "gb": unit = 1e9
        case "tb": unit = 1e12
        default: return nil
        }
        let bytes = value * unit
        return bytes < 9e18 ? UInt64(bytes) : nil
    }

    /// `1.50 GiB`, `64.0 KiB`, `12 B`.
    public static func describe(_ bytes: UInt64) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
        var value = Double(bytes)
        var unit = 0
        while value >= 1024, unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        if unit == 0 { return "\(bytes) B" }
        let places = value < 10 ? 100.0 : value < 100 ? 10.0 : 1.0
        let rounded = Int((value * places) + 0.5)
        if places == 1 { return "\(rounded) \(units[unit])" }
        let whole = rounded / Int(places)
        var fraction = String(rounded % Int(places))
        while fraction.count < (places == 100 ? 2 : 1) { fraction = "0" + fraction }
        return "\(whole).\(fraction) \(units[unit])"
    }
}
