internal import CCrypto
public import LifeboatCore

/// HMAC-SHA-256 under one key: chunk ids and node ids.
///
/// - One for each thread.
/// - The key is hashed once, into an inner and an outer state; a digest starts from their copies.
/// - Source: RFC 2104; the vectors of RFC 4231.
public final class KeyedHasher {
    private static let blockByteCount = 64

    private let inner = HashState()
    private let outer = HashState()
    private let work = HashState()

    /// Takes a key of any length; one over 64 bytes is hashed first, as RFC 2104 has it.
    public init(key: SecretBytes) {
        let block = Self.block(of: key)
        Self.absorb(block, xor: 0x36, into: inner)
        Self.absorb(block, xor: 0x5c, into: outer)
    }

    /// The keyed digest of the bytes.
    public func digest(_ bytes: UnsafeRawBufferPointer) -> Digest {
        work.start(from: inner)
        work.update(bytes)
        let digest = work.finish()
        work.start(from: outer)
        withUnsafeTemporaryAllocation(byteCount: Digest.byteCount, alignment: 8) { bytes in
            digest.store(into: bytes)
            work.update(UnsafeRawBufferPointer(bytes))
        }
        return work.finish()
    }

    /// The key, or its hash, padded with zeros to one block.
    private static func block(of key: SecretBytes) -> SecretBytes {
        SecretBytes(count: blockByteCount) { block in
            key.withBytes { key in
                if key.count > blockByteCount {
                    SHA256Hash.digest(key).store(into: block)
                } else {
                    block.copyMemory(from: key)
                }
            }
        }
    }

    private static func absorb(
        _ block: SecretBytes, xor pad: UInt8, into state: borrowing HashState
    ) {
        let padded = SecretBytes(count: blockByteCount) { target in
            block.withBytes { for index in $0.indices { target[index] = $0[index] ^ pad } }
        }
        state.start()
        padded.withBytes { state.update($0) }
    }
}
