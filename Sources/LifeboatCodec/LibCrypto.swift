internal import CCrypto

/// What this module shares of libcrypto: algorithms fetched once, and its failures.
///
/// A fetch walks libcrypto's providers under a lock; per chunk that would cost more than the hash.
enum LibCrypto {
    // Immutable once fetched, never freed, and libcrypto lets all threads share them.
    nonisolated(unsafe) static let sha256 = present(
        EVP_MD_fetch(nil, "SHA256", nil), "libcrypto has no SHA-256")
    nonisolated(unsafe) static let aes256GCM = present(
        EVP_CIPHER_fetch(nil, "AES-256-GCM", nil), "libcrypto has no AES-256-GCM")

    /// Traps unless a call that fails for want of memory only has succeeded.
    @inline(__always)
    static func require(_ result: Int32, _ message: StaticString) {
        precondition(result == 1, "\(message)")
    }

    /// The object that libcrypto made; it makes none for want of memory only.
    static func present<T>(_ object: T?, _ message: StaticString) -> T {
        guard let object else { preconditionFailure("\(message)") }
        return object
    }
}

extension UnsafeRawBufferPointer {
    /// The bytes as C functions take them; `nil` for an empty buffer without an address.
    @inline(__always)
    var octets: UnsafePointer<UInt8>? { baseAddress?.assumingMemoryBound(to: UInt8.self) }
}

extension UnsafeMutableRawBufferPointer {
    /// The bytes as C functions take them; `nil` for an empty buffer without an address.
    @inline(__always)
    var octets: UnsafeMutablePointer<UInt8>? { baseAddress?.assumingMemoryBound(to: UInt8.self) }
}
