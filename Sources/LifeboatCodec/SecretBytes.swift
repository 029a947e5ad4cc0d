internal import CCrypto
internal import Glibc

/// Bytes that must not leak: keys, passwords, seeds.
///
/// - They live in pages of their own: locked into memory and kept out of core dumps where the
///   system allows it, and overwritten before the pages are given back.
/// - No text form, mirror or dump shows them.
/// - They never change, so that threads may share them.
public final class SecretBytes: @unchecked Sendable {
    /// The number of bytes.
    public let count: Int
    private let memory: UnsafeMutableRawBufferPointer

    /// Copies the bytes; the caller wipes the original.
    public convenience init(copying bytes: UnsafeRawBufferPointer) {
        self.init(count: bytes.count) { $0.copyMemory(from: bytes) }
    }

    /// Copies the bytes of an array, which keeps its own copy: for values read from outside.
    public convenience init(_ bytes: [UInt8]) {
        self.init(count: bytes.count) { $0.copyBytes(from: bytes) }
    }

    /// Fresh random bytes from libcrypto's private generator.
    public static func random(count: Int) -> SecretBytes {
        SecretBytes(count: count) { bytes in
            let result = RAND_priv_bytes(bytes.octets, Int32(bytes.count))
            LibCrypto.require(result, "the random number generator failed")
        }
    }

    /// Makes `count` bytes in place, without a copy elsewhere; `fill` sees them as zeros.
    init(count: Int, filledBy fill: (UnsafeMutableRawBufferPointer) -> Void) {
        self.count = count
        memory = Self.reserve(count)
        if count > 0 { fill(UnsafeMutableRawBufferPointer(rebasing: memory.prefix(count))) }
    }

    deinit {
        OPENSSL_cleanse(memory.baseAddress, memory.count)
        munmap(memory.baseAddress, memory.count)
    }

    /// Lends the bytes; the pointer must not outlive the call.
    public func withBytes<R, E: Error>(
        _ body: (UnsafeRawBufferPointer) throws(E) -> R
    ) throws(E) -> R {
        defer { withExtendedLifetime(self) {} }
        return try body(UnsafeRawBufferPointer(rebasing: memory.prefix(count)))
    }

    /// Whether both hold the same bytes, in a time that depends on their count only.
    public func equals(_ other: SecretBytes) -> Bool {
        guard count == other.count else { return false }
        return withBytes { mine in
            other.withBytes { CRYPTO_memcmp(mine.baseAddress, $0.baseAddress, mine.count) == 0 }
        }
    }

    /// Whole pages: locks and dump flags hold for pages, and unlocking one must not touch others.
    private static func reserve(_ count: Int) -> UnsafeMutableRawBufferPointer {
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        let size = (max(count, 1) + page - 1) / page * page
        let start = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let start, start != MAP_FAILED else { preconditionFailure("no memory for a secret") }
        // Best effort: the lock limit of an unprivileged process may be small.
        _ = mlock(start, size)
        _ = madvise(start, size, MADV_DONTDUMP)
        return UnsafeMutableRawBufferPointer(start: start, count: size)
    }
}

extension SecretBytes: Equatable {
    /// As `equals`: in a time that depends on the count only.
    public static func == (left: SecretBytes, right: SecretBytes) -> Bool { left.equals(right) }
}

extension SecretBytes: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "<secret>" }
    public var debugDescription: String { "<secret>" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
