internal import Crypto
internal import FoundationEssentials
public import LifeboatCore

/// Seals secrets to a recovery key, whose private half is kept off line.
///
/// - HPKE base mode with X-Wing (ML-KEM-768 and X25519), HKDF-SHA-256 and AES-256-GCM: neither a
///   broken lattice nor a quantum computer alone opens it.
/// - Source: RFC 9180; draft-connolly-cfrg-xwing-kem-06; KEM 0x647A, KDF 1, AEAD 2.
public enum RecoverySealing {
    /// The bytes of a public key.
    public static let publicKeyByteCount = 1216
    /// The bytes of an encapsulated key.
    public static let encapsulationByteCount = 1120
    /// The bytes of a private key, in the only form in which it is kept.
    public static let seedByteCount = 32

    private static let suite = HPKE.Ciphersuite.XWingMLKEM768X25519_SHA256_AES_GCM_256

    /// A fresh private key.
    public static func generateSeed() -> SecretBytes { .random(count: seedByteCount) }

    /// The public key of a private one.
    ///
    /// - Throws: `.wrongKey` when the seed is not of 32 bytes.
    public static func publicKey(seed: SecretBytes) throws(LifeboatError) -> [UInt8] {
        Array(try privateKey(seed).publicKey.rawRepresentation)
    }

    /// Seals a secret; the sealed form is 16 bytes longer.
    ///
    /// - Throws: `.damaged` when the bytes are no public key.
    public static func seal(
        _ secret: SecretBytes, to publicKey: [UInt8], info: [UInt8]
    ) throws(LifeboatError) -> (encapsulation: [UInt8], sealed: [UInt8]) {
        guard publicKey.count == publicKeyByteCount else {
            throw LifeboatError(.damaged, "a recovery public key is not of 1,216 bytes")
        }
        do {
            let key = try XWingMLKEM768X25519.PublicKey(rawRepresentation: publicKey)
            var sender = try HPKE.Sender(recipientKey: key, ciphersuite: suite, info: Data(info))
            let sealed = try secret.withBytes { bytes in try sender.seal(bytes) }
            return (Array(sender.encapsulatedKey), Array(sealed))
        } catch {
            throw LifeboatError(
                .damaged, "nothing can be sealed to a recovery key", cause: "\(error)")
        }
    }

    /// Opens a sealed secret.
    ///
    /// - Throws: `.wrongKey` if it does not open; `.damaged` when it is too short to be one.
    public static func open(
        encapsulation: [UInt8], sealed: [UInt8], seed: SecretBytes, info: [UInt8]
    ) throws(LifeboatError) -> SecretBytes {
        guard encapsulation.count == encapsulationByteCount,
            sealed.count >= FrameCipher.tagByteCount
        else { throw LifeboatError(.damaged, "a secret sealed to a recovery key is cut short") }
        let key = try privateKey(seed)
        do {
            var recipient = try HPKE.Recipient(
                privateKey: key, ciphersuite: suite, info: Data(info),
                encapsulatedKey: Data(encapsulation))
            var opened = try recipient.open(sealed)
            defer { opened.resetBytes(in: opened.startIndex..<opened.endIndex) }
            return opened.withUnsafeBytes { SecretBytes(copying: $0) }
        } catch {
            throw LifeboatError(.wrongKey, "the recovery key does not fit", cause: "\(error)")
        }
    }

    private static func privateKey(
        _ seed: SecretBytes
    ) throws(LifeboatError) -> XWingMLKEM768X25519.PrivateKey {
        do {
            return try seed.withBytes { seed in
                try XWingMLKEM768X25519.PrivateKey(seedRepresentation: seed, publicKey: nil)
            }
        } catch {
            throw LifeboatError(
                .wrongKey, "a recovery key is not of 32 bytes", cause: "\(error)")
        }
    }
}
