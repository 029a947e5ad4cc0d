/// A 256-bit value: the SHA-256 of stored bytes, or a keyed id of a chunk or a map node.
///
/// Kept as four big-endian words, so that `<` orders digests as their bytes do.
@frozen
public struct Digest: Hashable, Sendable, Comparable {
    public var word0: UInt64
    public var word1: UInt64
    public var word2: UInt64
    public var word3: UInt64

    /// The number of bytes of a digest.
    public static let byteCount = 32

    /// The reserved id of a chunk or subtree that holds nothing but zeros.
    public static let zero = Digest(0, 0, 0, 0)

    @inlinable
    public init(_ word0: UInt64, _ word1: UInt64, _ word2: UInt64, _ word3: UInt64) {
        self.word0 = word0
        self.word1 = word1
        self.word2 = word2
        self.word3 = word3
    }

    /// Reads 32 bytes at `offset`.
    ///
    /// The caller has checked that they are there.
    @inlinable
    public init(loading bytes: UnsafeRawBufferPointer, at offset: Int = 0) {
        precondition(offset >= 0 && bytes.count - offset >= 32, "a digest needs 32 bytes")
        word0 = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
        word1 = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: offset + 8, as: UInt64.self))
        word2 = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: offset + 16, as: UInt64.self))
        word3 = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: offset + 24, as: UInt64.self))
    }

    /// Reads exactly 32 bytes; `nil` for any other count.
    public init?(_ bytes: [UInt8]) {
        guard bytes.count == 32 else { return nil }
        self = bytes.withUnsafeBytes { Digest(loading: $0) }
    }

    /// Reads 64 hexadecimal digits; `nil` for anything else.
    public init?(hex: some StringProtocol) {
        guard let bytes = Hex.decode(hex) else { return nil }
        self.init(bytes)
    }

    /// Writes the 32 bytes at `offset`.
    @inlinable
    public func store(into bytes: UnsafeMutableRawBufferPointer, at offset: Int = 0) {
        precondition(offset >= 0 && bytes.count - offset >= 32, "a digest needs 32 bytes")
        bytes.storeBytes(of: word0.bigEndian, toByteOffset: offset, as: UInt64.self)
        bytes.storeBytes(of: word1.bigEndian, toByteOffset: offset + 8, as: UInt64.self)
        bytes.storeBytes(of: word2.bigEndian, toByteOffset: offset + 16, as: UInt64.self)
        bytes.storeBytes(of: word3.bigEndian, toByteOffset: offset + 24, as: UInt64.self)
    }

    /// The 32 bytes.
    public var bytes: [UInt8] {
        var result = [UInt8](repeating: 0, count: 32)
        result.withUnsafeMutableBytes { store(into: $0) }
        return result
    }

    /// 64 lower-case hexadecimal digits.
    public var hex: String { Hex.encode(bytes) }

    /// The first 12 digits, for people.
    public var short: String { String(hex.prefix(12)) }

    @inlinable
    public var isZero: Bool { word0 | word1 | word2 | word3 == 0 }

    @inlinable
    public static func < (left: Digest, right: Digest) -> Bool {
        if left.word0 != right.word0 { return left.word0 < right.word0 }
        if left.word1 != right.word1 { return left.word1 < right.word1 }
        if left.word2 != right.word2 { return left.word2 < right.word2 }
        return left.word3 < right.word3
    }

    // The words of a keyed digest are uniformly random already: one of them is hash enough,
    // and SipHash over all four costs more than the rest of a look-up.
    @inlinable
    public func hash(into hasher: inout Hasher) { hasher.combine(word0) }
}

extension Digest: CustomStringConvertible {
    public var description: String { hex }
}
