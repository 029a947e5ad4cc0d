internal import CLinux
internal import Glibc

/// Owned, page-aligned memory of a fixed capacity, fit for direct I/O.
///
/// - Invariant: one owner at a time; a buffer passes between threads only through a queue or a pool.
/// - `bytes` and `storage` are valid while the buffer lives: keep it in a variable, and do not take
///   them from a temporary value.
/// - Large buffers are mapped, so that freeing one returns its memory to the system at once.
public final class Buffer: @unchecked Sendable {
    /// Bytes of memory.
    public let capacity: Int
    /// Bytes in use, set by the owner.
    public var count: Int {
        didSet { precondition(count >= 0 && count <= capacity, "count lies within the capacity") }
    }
    /// The first byte; a multiple of 4,096.
    public let base: UnsafeMutableRawPointer
    private let allocated: Int
    private let isMapped: Bool

    private static let pageBytes = 4096
    private static let mappedFrom = 1 << 20

    /// Allocates `capacity` bytes; their content is not defined.
    public init(capacity: Int) {
        precondition(capacity >= 0, "a capacity is not negative")
        self.capacity = capacity
        count = 0
        allocated =
            (max(capacity, 1) + Self.pageBytes - 1) / Self.pageBytes * Self.pageBytes
        isMapped = allocated >= Self.mappedFrom
        guard
            let memory = isMapped
                ? lifeboat_map(allocated) : aligned_alloc(Self.pageBytes, allocated)
        else { preconditionFailure("out of memory for a buffer of \(capacity) bytes") }
        base = memory
    }

    deinit {
        if isMapped { lifeboat_unmap(base, allocated) } else { free(base) }
    }

    /// The bytes in use.
    public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }

    /// The whole capacity.
    public var storage: UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(start: base, count: capacity)
    }
}
