internal import Glibc

/// The seeds that randomised tests run with.
public enum TestSeeds {
    /// As many as `LIFEBOAT_TEST_SEEDS` says, from 1; without it only three.
    public static var all: [UInt64] { scaled(1) }

    /// As `all`, times `share`, for tests that take long or little; at least one.
    public static func scaled(_ share: Double) -> [UInt64] {
        let count = getenv("LIFEBOAT_TEST_SEEDS").flatMap { Int(String(cString: $0)) } ?? 3
        return Array(1...UInt64(max(1, Double(count) * share)))
    }
}
