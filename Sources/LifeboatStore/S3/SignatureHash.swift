internal import CCrypto
internal import LifeboatCore

/// SHA-256 and HMAC-SHA-256, which requests are signed with.
enum SignatureHash {
    /// Of all pieces in a row.
    static func digest(_ pieces: [UnsafeRawBufferPointer]) -> Digest {
        let context = EVP_MD_CTX_new()
        defer { EVP_MD_CTX_free(context) }
        require(EVP_DigestInit_ex2(context, EVP_sha256(), nil))
        for piece in pieces { require(EVP_DigestUpdate(context, piece.baseAddress, piece.count)) }
        return digest { require(EVP_DigestFinal_ex(context, $0, nil)) }
    }

    static func digest(_ bytes: [UInt8]) -> Digest { bytes.withUnsafeBytes { digest([$0]) } }

    /// The keyed hash of a text.
    static func keyed(_ key: [UInt8], _ text: String) -> [UInt8] {
        let message = Array(text.utf8)
        return digest { target in
            let result = HMAC(
                EVP_sha256(), key, Int32(key.count), message, message.count, target, nil)
            precondition(result != nil, "HMAC failed")
        }.bytes
    }

    private static func digest(_ write: (UnsafeMutablePointer<UInt8>) -> Void) -> Digest {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Digest.byteCount) { target in
            if let start = target.baseAddress { write(start) }
            return Digest(loading: UnsafeRawBufferPointer(target))
        }
    }

    private static func require(_ result: Int32) { precondition(result == 1, "SHA-256 failed") }
}
