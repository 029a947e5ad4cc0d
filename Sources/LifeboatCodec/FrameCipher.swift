internal import CCrypto
public import LifeboatCore

/// AES-256-GCM under one key, with a counter for the nonce.
///
/// - One for each thread.
/// - Nonce: 4 zero bytes, then the counter as 8 bytes, little-endian. On disk: never change.
/// - Sealed form: the ciphertext, as long as the plain bytes, then a tag of 16 bytes.
/// - Invariant, kept by the caller: no counter seals twice under the same key.
/// - Source and target may begin at the same address.
public final class FrameCipher {
    /// How much longer sealed bytes are than plain ones.
    public static let tagByteCount = CipherState.tagByteCount

    private let sealing: CipherState
    private let opening: CipherState

    /// Takes a key of 32 bytes.
    public init(key: SecretBytes) {
        sealing = CipherState(key: key, sealing: true)
        opening = CipherState(key: key, sealing: false)
    }

    /// Seals into `out`, which has room for the plain bytes and a tag; the count of bytes written.
    public func seal(
        counter: UInt64, associatedData: UnsafeRawBufferPointer, plain: UnsafeRawBufferPointer,
        into out: UnsafeMutableRawBufferPointer
    ) -> Int {
        let count = plain.count + Self.tagByteCount
        precondition(out.count >= count, "no room for the sealed bytes")
        sealing.start(counter: counter)
        sealing.authenticate(associatedData)
        sealing.transform(plain, into: out)
        sealing.finish(tag: UnsafeMutableRawBufferPointer(rebasing: out[plain.count..<count]))
        return count
    }

    /// Opens into `out`, which has room for the plain bytes; the count of bytes written.
    ///
    /// - Throws: `.damaged` when the tag does not fit; `out` is wiped then.
    public func open(
        counter: UInt64, associatedData: UnsafeRawBufferPointer, sealed: UnsafeRawBufferPointer,
        into out: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError) -> Int {
        let count = sealed.count - Self.tagByteCount
        guard count >= 0 else {
            throw LifeboatError(.damaged, "sealed bytes are shorter than their tag")
        }
        guard Int32(exactly: sealed.count) != nil else {
            throw LifeboatError(.damaged, "sealed bytes are longer than any frame")
        }
        precondition(out.count >= count, "no room for the plain bytes")
        opening.start(counter: counter)
        opening.authenticate(associatedData)
        opening.transform(UnsafeRawBufferPointer(rebasing: sealed.prefix(count)), into: out)
        let tag = UnsafeRawBufferPointer(rebasing: sealed.suffix(Self.tagByteCount))
        guard opening.finish(expecting: tag) else {
            OPENSSL_cleanse(out.baseAddress, count)
            throw LifeboatError(.damaged, "sealed bytes do not fit their tag")
        }
        return count
    }
}

extension FrameCipher {
    /// Seals an array: the ciphertext and the tag.
    public func seal(counter: UInt64, associatedData: [UInt8], plain: [UInt8]) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: plain.count + Self.tagByteCount) { out, count in
            count = associatedData.withUnsafeBytes { associatedData in
                plain.withUnsafeBytes { plain in
                    seal(
                        counter: counter, associatedData: associatedData, plain: plain,
                        into: UnsafeMutableRawBufferPointer(out))
                }
            }
        }
    }

    /// Opens an array: the plain bytes.
    ///
    /// - Throws: `.damaged` when the tag does not fit.
    public func open(
        counter: UInt64, associatedData: [UInt8], sealed: [UInt8]
    ) throws(LifeboatError) -> [UInt8] {
        var plain = sealed
        // A Result, because the buffer functions of Array erase the type of what they throw.
        let opened: Result<Int, LifeboatError> = plain.withUnsafeMutableBytes { bytes in
            associatedData.withUnsafeBytes { associatedData in
                Result { () throws(LifeboatError) in
                    try open(
                        counter: counter, associatedData: associatedData,
                        sealed: UnsafeRawBufferPointer(bytes), into: bytes)
                }
            }
        }
        plain.removeLast(sealed.count - (try opened.get()))
        return plain
    }
}
