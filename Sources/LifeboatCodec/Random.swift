internal import CCrypto

/// Fresh random bytes from libcrypto's generator; traps if it fails.
public func randomBytes(_ count: Int) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
        randomFill(UnsafeMutableRawBufferPointer(buffer))
        initialized = count
    }
}

/// Fills the buffer with fresh random bytes from libcrypto's generator; traps if it fails.
public func randomFill(_ bytes: UnsafeMutableRawBufferPointer) {
    guard bytes.count > 0 else { return }
    LibCrypto.require(
        RAND_bytes(bytes.octets, Int32(bytes.count)), "the random number generator failed")
}
