/// A random 128-bit name: of a repository, a domain, a writer, an incarnation or a key slot.
public struct Identifier: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// The 16 bytes.
    public let bytes: [UInt8]

    /// Takes exactly 16 bytes; `nil` for any other count.
    public init?(_ bytes: [UInt8]) {
        guard bytes.count == 16 else { return nil }
        self.bytes = bytes
    }

    /// Reads 32 hexadecimal digits.
    public init?(hex: some StringProtocol) {
        guard let bytes = Hex.decode(hex) else { return nil }
        self.init(bytes)
    }

    /// A fresh identifier from the system's random number generator.
    public static func random() -> Identifier {
        var generator = SystemRandomNumberGenerator()
        var bytes: [UInt8] = []
        for _ in 0..<2 {
            let word = generator.next()
            for shift in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: word >> (8 * shift))) }
        }
        return Identifier(checked: bytes)
    }

    private init(checked bytes: [UInt8]) { self.bytes = bytes }

    /// 32 lower-case hexadecimal digits.
    public var hex: String { Hex.encode(bytes) }
    public var description: String { hex }

    public static func < (left: Identifier, right: Identifier) -> Bool {
        left.bytes.lexicographicallyPrecedes(right.bytes)
    }
}
