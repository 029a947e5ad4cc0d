internal import CCrypto
public import LifeboatCore

/// An Ed25519 key that signs; its secret half is a seed of 32 bytes.
///
/// - Source: RFC 8032.
public struct SigningKey: Sendable {
    private static let byteCount = 32

    /// The secret half.
    public let seed: SecretBytes
    /// The public half, 32 bytes.
    public let publicKey: [UInt8]

    /// Takes a seed of 32 bytes.
    ///
    /// - Throws: `.damaged` for any other count.
    public init(seed: SecretBytes) throws(LifeboatError) {
        guard seed.count == Self.byteCount else {
            throw LifeboatError(.damaged, "a signing key is not of 32 bytes")
        }
        self.init(checked: seed)
    }

    /// A fresh key.
    public static func generate() -> SigningKey {
        SigningKey(checked: .random(count: byteCount))
    }

    /// The signature of a message, 64 bytes.
    public func sign(_ message: [UInt8]) -> [UInt8] {
        Self.withKey(of: seed) { key in
            let context = LibCrypto.present(EVP_MD_CTX_new(), "no memory to sign")
            defer { EVP_MD_CTX_free(context) }
            LibCrypto.require(
                EVP_DigestSignInit(context, nil, nil, nil, key), "no memory to sign")
            var signature = [UInt8](repeating: 0, count: Signature.byteCount)
            var count = signature.count
            let result = EVP_DigestSign(context, &signature, &count, message, message.count)
            LibCrypto.require(result, "no memory to sign")
            return signature
        }
    }

    private init(checked seed: SecretBytes) {
        self.seed = seed
        publicKey = Self.withKey(of: seed) { key in
            var bytes = [UInt8](repeating: 0, count: Self.byteCount)
            var count = bytes.count
            let result = EVP_PKEY_get_raw_public_key(key, &bytes, &count)
            LibCrypto.require(result, "no memory for a signing key")
            return bytes
        }
    }

    /// Lends libcrypto's form of the key, which wipes itself when it is freed.
    private static func withKey<R>(of seed: SecretBytes, _ body: (OpaquePointer) -> R) -> R {
        let key = LibCrypto.present(
            seed.withBytes {
                EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nil, $0.octets, $0.count)
            }, "no memory for a signing key")
        defer { EVP_PKEY_free(key) }
        return body(key)
    }
}

/// Checks Ed25519 signatures.
public enum Signature {
    /// The bytes of a signature.
    public static let byteCount = 64

    /// Whether the signature is the key's for the message; false for whatever is malformed.
    public static func isValid(
        _ signature: [UInt8], of message: [UInt8], by publicKey: [UInt8]
    ) -> Bool {
        guard signature.count == byteCount,
            let key = EVP_PKEY_new_raw_public_key(
                EVP_PKEY_ED25519, nil, publicKey, publicKey.count)
        else {
            ERR_clear_error()
            return false
        }
        defer { EVP_PKEY_free(key) }
        let context = LibCrypto.present(EVP_MD_CTX_new(), "no memory to check a signature")
        defer { EVP_MD_CTX_free(context) }
        guard EVP_DigestVerifyInit(context, nil, nil, nil, key) == 1,
            EVP_DigestVerify(context, signature, signature.count, message, message.count) == 1
        else {
            // libcrypto remembers why; nobody asks.
            ERR_clear_error()
            return false
        }
        return true
    }
}
