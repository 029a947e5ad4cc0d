internal import CCrypto
public import LifeboatCore

/// SHA-256 of bytes that are all there.
public enum SHA256Hash {
    public static func digest(_ bytes: UnsafeRawBufferPointer) -> Digest {
        Digest { target in
            let result = EVP_Digest(
                bytes.baseAddress, bytes.count, target, nil, LibCrypto.sha256, nil)
            LibCrypto.require(result, "no memory for SHA-256")
        }
    }

    public static func digest(_ bytes: [UInt8]) -> Digest {
        bytes.withUnsafeBytes { digest($0) }
    }
}

/// SHA-256 of bytes that come in pieces.
///
/// One thread at a time.
public final class SHA256Stream {
    private let state = HashState()

    public init() { state.start() }

    /// Appends bytes to what is hashed.
    public func update(_ bytes: UnsafeRawBufferPointer) { state.update(bytes) }

    /// The digest of all bytes since the last `finish`; the stream is empty afterwards.
    public func finish() -> Digest {
        let digest = state.finish()
        state.start()
        return digest
    }
}

/// One kept SHA-256 context of libcrypto, owned and freed here.
struct HashState: ~Copyable {
    private let context: OpaquePointer

    init() { context = LibCrypto.present(EVP_MD_CTX_new(), "no memory for SHA-256") }

    deinit { EVP_MD_CTX_free(context) }

    func start() {
        LibCrypto.require(
            EVP_DigestInit_ex2(context, LibCrypto.sha256, nil), "no memory for SHA-256")
    }

    /// Takes over what the other state has hashed so far.
    func start(from other: borrowing HashState) {
        LibCrypto.require(EVP_MD_CTX_copy_ex(context, other.context), "no memory for SHA-256")
    }

    func update(_ bytes: UnsafeRawBufferPointer) {
        let result = EVP_DigestUpdate(context, bytes.baseAddress, bytes.count)
        LibCrypto.require(result, "SHA-256 failed")
    }

    func finish() -> Digest {
        Digest { LibCrypto.require(EVP_DigestFinal_ex(context, $0, nil), "SHA-256 failed") }
    }
}

extension Digest {
    /// The digest that a C function writes as 32 bytes.
    init(writtenBy write: (UnsafeMutablePointer<UInt8>?) -> Void) {
        self = withUnsafeTemporaryAllocation(byteCount: Digest.byteCount, alignment: 8) { bytes in
            write(bytes.octets)
            return Digest(loading: UnsafeRawBufferPointer(bytes))
        }
    }
}
