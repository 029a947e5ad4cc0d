internal import CCrypto
internal import LifeboatCore

/// MD5, which Swift knows objects by: a checksum against accidents, no protection against anybody.
enum MD5Hash {
    // Immutable once fetched, and libcrypto lets all threads share it. A libcrypto that is
    // restricted to approved algorithms has none.
    nonisolated(unsafe) private static let algorithm = EVP_MD_fetch(nil, "MD5", nil)

    /// 32 hexadecimal digits of all pieces in a row; `nil` where libcrypto refuses MD5.
    static func hex(_ pieces: [UnsafeRawBufferPointer]) -> String? {
        guard let algorithm, let context = EVP_MD_CTX_new() else { return nil }
        defer { EVP_MD_CTX_free(context) }
        guard EVP_DigestInit_ex2(context, algorithm, nil) == 1 else { return nil }
        for piece in pieces {
            guard EVP_DigestUpdate(context, piece.baseAddress, piece.count) == 1 else { return nil }
        }
        var digest = [UInt8](repeating: 0, count: 16)
        guard EVP_DigestFinal_ex(context, &digest, nil) == 1 else { return nil }
        return Hex.encode(digest)
    }

    static func hex(_ bytes: [UInt8]) -> String? { bytes.withUnsafeBytes { hex([$0]) } }
}
