internal import Glibc

/// Questions about bytes, at the speed of the cache.
public enum Bytes {
    /// Whether all bytes are zero; also true of none.
    public static func isZero(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let start = bytes.baseAddress else { return true }
        let lead = min(bytes.count, 64)
        var seen: UInt8 = 0
        for index in 0..<lead { seen |= bytes[index] }
        guard seen == 0 else { return false }
        // The first 64 bytes are zero, and each later byte equals the one 64 before it.
        return memcmp(start, start + lead, bytes.count - lead) == 0
    }

    /// Whether both hold the same bytes.
    ///
    /// Not for secrets: it stops at the first difference.
    public static func equal(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Bool {
        guard a.count == b.count else { return false }
        guard let left = a.baseAddress, let right = b.baseAddress else { return true }
        return memcmp(left, right, a.count) == 0
    }
}
