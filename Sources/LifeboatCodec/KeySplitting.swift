public import LifeboatCore

/// Splits a secret into parts: so many of them give it back, one fewer tell nothing about it.
///
/// - Shamir's scheme on each byte, with the arithmetic and the points of SLIP-39: part *n* is the
///   polynomial's value at *n* − 1, the secret that at 255, and that at 254 holds a digest.
/// - The digest tells a secret that was joined from wrong parts. Where one part is enough, each
///   part is the secret itself and there is no digest.
/// - Source: SLIP-0039, "Generating the shares".
public enum KeySplitting {
    /// One part of a split secret; as secret as what it is a part of.
    public struct Part: Sendable {
        /// From 1 to `largestCount`.
        public let number: Int
        /// As many bytes as the secret has.
        public let bytes: SecretBytes

        public init(number: Int, bytes: SecretBytes) {
            self.number = number
            self.bytes = bytes
        }

        fileprivate var point: Point { Point(place: UInt8(number - 1), bytes: bytes) }
    }

    /// How many parts a secret can have.
    public static let largestCount = 16
    /// The shortest secret: the digest must leave enough room for random bytes beside it.
    public static let smallestByteCount = 16

    private static let secretPlace: UInt8 = 255
    private static let digestPlace: UInt8 = 254
    private static let digestByteCount = 4

    /// The values of one polynomial for each byte, all at the same place.
    fileprivate struct Point {
        var place: UInt8
        var bytes: SecretBytes
    }

    /// Makes `count` parts, at most 16, of which any `needed` give the secret back.
    public static func split(_ secret: SecretBytes, needed: Int, of count: Int) -> [Part] {
        split(secret, needed: needed, of: count) { .random(count: $0) }
    }

    /// As `split`, with random bytes from the caller: one after another, for the first parts and
    /// then for the digest.
    static func split(
        _ secret: SecretBytes, needed: Int, of count: Int, random: (Int) -> SecretBytes
    ) -> [Part] {
        precondition((1...largestCount).contains(count), "a secret has 1 to 16 parts")
        precondition((1...count).contains(needed), "as many parts are needed as there are, or less")
        precondition(secret.count >= smallestByteCount, "the secret is too short to be split")
        guard needed > 1 else { return (1...count).map { Part(number: $0, bytes: secret) } }

        var parts = (1..<needed - 1).map { Part(number: $0, bytes: random(secret.count)) }
        let salt = random(secret.count - digestByteCount)
        let points =
            parts.map(\.point) + [
                Point(place: digestPlace, bytes: joined(digest(of: secret, salt: salt), salt)),
                Point(place: secretPlace, bytes: secret),
            ]
        for number in parts.count + 1...count {
            parts.append(Part(number: number, bytes: value(at: UInt8(number - 1), of: points)))
        }
        return parts
    }

    /// The secret that the parts were made of; takes more parts than are needed, if all fit.
    ///
    /// - Throws: `.refused` for too few parts, for the same number twice and for parts of
    ///   different lengths; `.wrongKey` when they give no secret.
    public static func join(_ parts: [Part], needed: Int) throws(LifeboatError) -> SecretBytes {
        guard let first = parts.first, needed >= 1, parts.count >= needed else {
            throw LifeboatError(
                .refused, "\(parts.count) parts are too few: \(needed) are needed")
        }
        guard Set(parts.map(\.number)).count == parts.count,
            parts.allSatisfy({ (1...largestCount).contains($0.number) }),
            parts.allSatisfy({ $0.bytes.count == first.bytes.count }),
            first.bytes.count >= smallestByteCount
        else { throw LifeboatError(.refused, "these are not different parts of one secret") }
        guard needed > 1 else {
            guard parts.allSatisfy({ $0.bytes == first.bytes }) else { throw misfit }
            return first.bytes
        }
        let points = parts.map(\.point)
        let secret = value(at: secretPlace, of: points)
        let (tag, salt) = cut(value(at: digestPlace, of: points))
        guard digest(of: secret, salt: salt) == tag else { throw misfit }
        return secret
    }

    private static var misfit: LifeboatError {
        LifeboatError(
            .wrongKey, "the parts do not fit together", cause: "the digest is another one",
            advice: "a part has been changed, or is not of this set; try others")
    }

    /// The polynomials' values at `place`, by Lagrange's formula.
    ///
    /// Only places decide what is done; secret bytes are merely multiplied.
    private static func value(at place: UInt8, of points: [Point]) -> SecretBytes {
        SecretBytes(count: points.first?.bytes.count ?? 0) { result in
            for point in points {
                var weight: UInt8 = 1
                for other in points where other.place != point.place {
                    let quotient = GaloisField.product(
                        place ^ other.place, GaloisField.inverse(point.place ^ other.place))
                    weight = GaloisField.product(weight, quotient)
                }
                point.bytes.withBytes { bytes in
                    for index in bytes.indices {
                        result[index] ^= GaloisField.product(bytes[index], weight)
                    }
                }
            }
        }
    }

    private static func digest(of secret: SecretBytes, salt: SecretBytes) -> SecretBytes {
        let digest = secret.withBytes { KeyedHasher(key: salt).digest($0) }
        let whole = SecretBytes(count: Digest.byteCount) { digest.store(into: $0) }
        return whole.withBytes {
            SecretBytes(copying: UnsafeRawBufferPointer(rebasing: $0.prefix(digestByteCount)))
        }
    }

    private static func joined(_ digest: SecretBytes, _ salt: SecretBytes) -> SecretBytes {
        SecretBytes(count: digest.count + salt.count) { result in
            digest.withBytes { result.copyMemory(from: $0) }
            let rest = UnsafeMutableRawBufferPointer(rebasing: result.dropFirst(digest.count))
            salt.withBytes { rest.copyMemory(from: $0) }
        }
    }

    private static func cut(_ bytes: SecretBytes) -> (digest: SecretBytes, salt: SecretBytes) {
        bytes.withBytes {
            (
                SecretBytes(copying: UnsafeRawBufferPointer(rebasing: $0.prefix(digestByteCount))),
                SecretBytes(
                    copying: UnsafeRawBufferPointer(rebasing: $0.dropFirst(digestByteCount)))
            )
        }
    }
}
