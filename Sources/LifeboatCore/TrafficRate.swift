/// How many bytes a second may move.
public enum TrafficRate: Hashable, Sendable {
    case unlimited
    /// At least 1.
    case bytesPerSecond(UInt64)

    /// Reads `20MB/s`, `512KiB/s` or `65536B/s`; `none` and `0` are no limit.
    ///
    /// `nil` for anything else, also for bits and for what is less than a byte a second.
    public init?(_ text: String) {
        guard text != "none", text != "0" else {
            self = .unlimited
            return
        }
        // Without it, somebody may mean bits or a whole transfer.
        guard text.hasSuffix("/s"), let bytes = ByteText.parse(String(text.dropLast(2))) else {
            return nil
        }
        if bytes > 0 {
            self = .bytesPerSecond(bytes)
        } else {
            guard !text.contains(where: { ("1"..."9").contains($0) }) else { return nil }
            self = .unlimited
        }
    }

    /// Bytes a second; `nil` without a limit.
    public var limit: UInt64? {
        if case .bytesPerSecond(let count) = self { count } else { nil }
    }

    /// The lower of two.
    public func lower(_ other: TrafficRate) -> TrafficRate {
        guard let limit, let otherLimit = other.limit else { return limit == nil ? other : self }
        return .bytesPerSecond(min(limit, otherLimit))
    }
}

extension TrafficRate: CustomStringConvertible {
    private static let units: [(UInt64, String)] = [
        (1_000_000_000_000, "TB"), (1 << 40, "TiB"), (1_000_000_000, "GB"), (1 << 30, "GiB"),
        (1_000_000, "MB"), (1 << 20, "MiB"), (1000, "KB"), (1 << 10, "KiB"),
    ]

    /// As it is read, without loss: `20MB/s`, `none`.
    public var description: String {
        guard let limit else { return "none" }
        let fitting = Self.units.filter { limit.isMultiple(of: $0.0) }
        guard let best = fitting.min(by: { limit / $0.0 < limit / $1.0 }) else {
            return "\(limit)B/s"
        }
        return "\(limit / best.0)\(best.1)/s"
    }
}
