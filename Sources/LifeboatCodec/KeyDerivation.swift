internal import CCrypto
internal import Crypto
public import LifeboatCore

/// Makes keys out of keys and out of passwords.
public enum KeyDerivation {
    /// The most memory that a password may cost, whatever a damaged key slot asks for.
    private static let largestTableByteCount = 256 << 20
    /// Each lane costs the whole table's time again.
    private static let largestParallelism = 16

    /// HKDF-SHA-256: a key for the purpose that `info` names.
    ///
    /// - Source: RFC 5869.
    public static func hkdf(
        secret: SecretBytes, salt: [UInt8], info: String, count: Int = 32
    ) -> SecretBytes {
        hkdf(secret: secret, salt: salt, info: Array(info.utf8), count: count)
    }

    /// HKDF-SHA-256 with a purpose in bytes; at most 8,160 of them come out.
    public static func hkdf(
        secret: SecretBytes, salt: [UInt8], info: [UInt8], count: Int = 32
    ) -> SecretBytes {
        precondition((1...255 * 32).contains(count), "HKDF-SHA-256 gives 1 to 8,160 bytes")
        if count <= Digest.byteCount { return oneBlock(secret, salt, info, count) }
        let key = secret.withBytes { SymmetricKey(data: $0) }
        let derived = HKDF<SHA256>.deriveKey(
            inputKeyMaterial: key, salt: salt, info: info, outputByteCount: count)
        return derived.withUnsafeBytes { SecretBytes(copying: $0) }
    }

    /// HKDF whose output is a single block: one is derived for each object that is opened.
    private static func oneBlock(
        _ secret: SecretBytes, _ salt: [UInt8], _ info: [UInt8], _ count: Int
    ) -> SecretBytes {
        let size = Digest.byteCount
        return withUnsafeTemporaryAllocation(byteCount: 2 * size, alignment: 8) { work in
            let extracted = UnsafeMutableRawBufferPointer(rebasing: work[..<size])
            let expanded = UnsafeMutableRawBufferPointer(rebasing: work[size...])
            // HMAC pads a shorter key with zeros, so that no salt is the same as one of zeros.
            salt.withUnsafeBytes { salt in
                secret.withBytes { authenticate($0, key: salt, into: extracted) }
            }
            (info + [1]).withUnsafeBytes { info in
                authenticate(info, key: UnsafeRawBufferPointer(extracted), into: expanded)
            }
            let key = SecretBytes(
                copying: UnsafeRawBufferPointer(rebasing: expanded.prefix(count)))
            OPENSSL_cleanse(work.baseAddress, work.count)
            return key
        }
    }

    private static func authenticate(
        _ bytes: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer,
        into target: UnsafeMutableRawBufferPointer
    ) {
        // It wants an address even for a key of no bytes; the target's will do.
        let start = key.baseAddress ?? UnsafeRawPointer(target.baseAddress)
        let result = HMAC(
            LibCrypto.sha256, start, Int32(key.count), bytes.octets, bytes.count, target.octets,
            nil)
        precondition(result != nil, "no memory to derive a key")
    }

    /// scrypt: a key from a password, slow and large on purpose.
    ///
    /// - Cost: 128 × 2^`logCost` × `blockSize` bytes of memory, at most 256 MiB, and
    ///   `parallelism` times the time to fill it, at most 16.
    /// - Source: RFC 7914.
    /// - Throws: `.damaged` for parameters outside these bounds: they come from storage.
    public static func scrypt(
        password: SecretBytes, salt: [UInt8], logCost: Int, blockSize: Int, parallelism: Int,
        count: Int = 32
    ) throws(LifeboatError) -> SecretBytes {
        guard (1...24).contains(logCost), (1...1024).contains(blockSize),
            (1...largestParallelism).contains(parallelism), logCost < 16 * blockSize,
            128 * blockSize << logCost <= largestTableByteCount
        else { throw LifeboatError(.damaged, "the cost of a password is out of bounds") }
        // Beside the table: two working blocks and a block for each lane.
        let memory = 128 * blockSize * ((1 << logCost) + parallelism + 4)
        var result: Int32 = 0
        let key = SecretBytes(count: count) { key in
            password.withBytes { password in
                result = EVP_PBE_scrypt(
                    password.baseAddress?.assumingMemoryBound(to: CChar.self), password.count,
                    salt, salt.count, 1 << UInt64(logCost), UInt64(blockSize),
                    UInt64(parallelism), UInt64(memory), key.octets, key.count)
            }
        }
        guard result == 1 else {
            ERR_clear_error()
            throw LifeboatError(.internalFault, "no memory to derive a key from a password")
        }
        return key
    }
}
