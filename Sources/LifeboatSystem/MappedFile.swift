internal import Glibc
public import LifeboatCore

/// A file's bytes in memory, as the page cache has them.
///
/// Read-only; safe from many threads. The file must not shrink while it is mapped.
public final class MappedFile: @unchecked Sendable {
    /// The bytes; empty for an empty file.
    public let bytes: UnsafeRawBufferPointer

    public init(_ path: String) throws(LifeboatError) {
        let file = try File(path: path, access: .read)
        let size = Int(try file.size())
        guard size > 0 else {
            bytes = UnsafeRawBufferPointer(start: nil, count: 0)
            return
        }
        let base = mmap(nil, size, PROT_READ, MAP_SHARED, file.descriptor, 0)
        guard let base, base != MAP_FAILED else {
            throw .system("cannot map \(path)", path: path, number: errno)
        }
        bytes = UnsafeRawBufferPointer(start: base, count: size)
    }

    deinit {
        if let base = bytes.baseAddress {
            munmap(UnsafeMutableRawPointer(mutating: base), bytes.count)
        }
    }
}
