internal import CCrypto

/// One kept AES-256-GCM context of libcrypto, owned and freed here.
///
/// The key is expanded once; each message then starts with its nonce only.
struct CipherState: ~Copyable {
    static let keyByteCount = 32
    static let tagByteCount = 16

    private let context: OpaquePointer

    /// Takes a 32-byte key; `sealing` says in which direction the context works.
    init(key: SecretBytes, sealing: Bool) {
        precondition(key.count == Self.keyByteCount, "an AES-256 key has 32 bytes")
        let context = LibCrypto.present(EVP_CIPHER_CTX_new(), "no memory for AES-GCM")
        self.context = context
        key.withBytes { key in
            let result = EVP_CipherInit_ex2(
                context, LibCrypto.aes256GCM, key.octets, nil, sealing ? 1 : 0, nil)
            LibCrypto.require(result, "no memory for AES-GCM")
        }
    }

    deinit { EVP_CIPHER_CTX_free(context) }

    /// Begins a message, whose nonce is 4 zero bytes, then the counter, little-endian.
    func start(counter: UInt64) {
        let nonce = SIMD3<UInt32>(
            0, UInt32(truncatingIfNeeded: counter).littleEndian,
            UInt32(truncatingIfNeeded: counter >> 32).littleEndian)
        withUnsafeBytes(of: nonce) { nonce in
            let result = EVP_CipherInit_ex2(context, nil, nil, nonce.octets, -1, nil)
            LibCrypto.require(result, "AES-GCM did not start")
        }
    }

    /// Adds bytes that are authenticated but not encrypted; before `transform`.
    func authenticate(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count > 0 else { return }
        var count: Int32 = 0
        let result = EVP_CipherUpdate(context, nil, &count, bytes.octets, Int32(bytes.count))
        LibCrypto.require(result, "AES-GCM did not authenticate")
    }

    /// Encrypts or decrypts; source and target may be the same memory.
    func transform(_ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer) {
        guard source.count > 0 else { return }
        precondition(target.count >= source.count, "the target is too small")
        var count: Int32 = 0
        let result = EVP_CipherUpdate(
            context, target.octets, &count, source.octets, Int32(source.count))
        LibCrypto.require(result, "AES-GCM did not encrypt")
    }

    /// Ends a message that is being sealed, and writes its 16-byte tag.
    func finish(tag: UnsafeMutableRawBufferPointer) {
        precondition(tag.count >= Self.tagByteCount, "a tag needs 16 bytes")
        LibCrypto.require(finish(), "AES-GCM did not end")
        let result = EVP_CIPHER_CTX_ctrl(
            context, EVP_CTRL_AEAD_GET_TAG, Int32(Self.tagByteCount), tag.baseAddress)
        LibCrypto.require(result, "AES-GCM gave no tag")
    }

    /// Ends a message that is being opened: whether the 16-byte tag fits.
    func finish(expecting tag: UnsafeRawBufferPointer) -> Bool {
        precondition(tag.count == Self.tagByteCount, "a tag has 16 bytes")
        // libcrypto copies from the pointer, though its type does not say so.
        let result = EVP_CIPHER_CTX_ctrl(
            context, EVP_CTRL_AEAD_SET_TAG, Int32(Self.tagByteCount),
            UnsafeMutableRawPointer(mutating: tag.baseAddress))
        LibCrypto.require(result, "AES-GCM took no tag")
        return finish() == 1
    }

    /// GCM leaves nothing to be written at the end, but libcrypto wants somewhere to write it.
    private func finish() -> Int32 {
        withUnsafeTemporaryAllocation(byteCount: Self.tagByteCount, alignment: 16) { rest in
            var count: Int32 = 0
            return EVP_CipherFinal_ex(context, rest.octets, &count)
        }
    }
}
