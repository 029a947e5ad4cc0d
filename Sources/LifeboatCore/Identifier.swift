/// A 128-bit name: of a repository, a domain, a member, an incarnation, a session or a key slot.
///
/// Kept as two big-endian words, so that `<` orders identifiers as their bytes do.
public struct Identifier: Hashable, Sendable, Comparable, CustomStringConvertible {
    public let word0: UInt64
    public let word1: UInt64

    /// The first word alone would not do: it is common to all incarnations of a member.
    @inlinable
    public func hash(into hasher: inout Hasher) { hasher.combine(word0 ^ (word1 &* 0x9E37_79B9)) }

    public init(_ word0: UInt64, _ word1: UInt64) {
        self.word0 = word0
        self.word1 = word1
    }

    /// Takes exactly 16 bytes; `nil` for any other count.
    public init?(_ bytes: [UInt8]) {
        guard bytes.count == 16 else { return nil }
        func word(_ start: Int) -> UInt64 {
            bytes[start..<start + 8].reduce(0) { $0 << 8 | UInt64($1) }
        }
        self.init(word(0), word(8))
    }

    /// Reads 32 hexadecimal digits.
    public init?(hex: some StringProtocol) {
        guard let bytes = Hex.decode(hex) else { return nil }
        self.init(bytes)
    }

    /// A fresh identifier from the system's random number generator.
    public static func random() -> Identifier {
        var generator = SystemRandomNumberGenerator()
        return Identifier(generator.next(), generator.next())
    }

    /// The 16 bytes.
    public var bytes: [UInt8] {
        [word0, word1].flatMap { word in
            stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: word >> $0) }
        }
    }

    /// 32 lower-case hexadecimal digits.
    public var hex: String { Hex.encode(bytes) }
    public var description: String { hex }
    /// The first 8 digits, for people.
    public var short: String { String(hex.prefix(8)) }

    public static func < (left: Identifier, right: Identifier) -> Bool {
        (left.word0, left.word1) < (right.word0, right.word1)
    }
}
