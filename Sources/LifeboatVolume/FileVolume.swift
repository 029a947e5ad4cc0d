public import LifeboatCore
internal import LifeboatSystem
internal import Synchronization

/// A regular or sparse file or a block device as a volume to read.
///
/// It leaves the page cache of the host as it finds it. What is cached is copied from there; all
/// else is read past the cache where file system and alignment allow, and otherwise through it and
/// dropped again. Other processes may write meanwhile: what is read is some mix of old and new.
public final class FileVolume: VolumeReader {
    public let name: String
    public let size: UInt64
    private let file: File
    private let direct: File?
    /// Set when the file system turns out not to do what opening for direct I/O promised.
    private let directFails = Atomic<Bool>(false)
    private let cacheIsKnown: Bool

    private static let alignment = 4096
    private static let extentLimit = 1 << 16

    /// Opens a volume; `.refused` if it is neither a regular file nor a block device.
    public init(path: String) throws(LifeboatError) {
        name = path
        file = try File(path: path, access: .read)
        guard file.kind == .regular || file.kind == .blockDevice else {
            throw LifeboatError(
                .refused, "\(path) is neither a file nor a block device", subject: path)
        }
        size = try file.size()
        guard size > 0 || file.kind == .regular else {
            throw LifeboatError(
                .unreadable, "the device \(path) has no bytes", subject: path,
                advice: "what it stood for is detached or gone")
        }
        direct = try? File(path: path, access: .readDirect)
        cacheIsKnown = file.supportsReadCached
        // Reading ahead pays where all goes through the cache; else it would only fill it.
        if direct == nil { file.adviseSequential() } else { file.adviseRandom() }
    }

    public func extents(from start: UInt64, to end: UInt64) throws(LifeboatError) -> [Extent] {
        try file.dataExtents(from: start, to: min(end, size), limit: Self.extentLimit)
    }

    public func read(
        at offset: UInt64, into target: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError) {
        guard target.count > 0 else { return }
        if cacheIsKnown, file.readCached(at: offset, into: target) != nil { return }
        // A short count here may be a matter of alignment; the way through the cache decides.
        let done = readDirect(at: offset, into: target)
        if done == target.count { return }
        let rest = UnsafeMutableRawBufferPointer(rebasing: target[done...])
        let count = try readThroughCache(at: offset + UInt64(done), into: rest)
        guard count == rest.count else {
            let found = offset + UInt64(done + count)
            throw LifeboatError(
                .unreadable,
                "\(name) ends at byte \(found), inside the range "
                    + "\(offset)-\(offset + UInt64(target.count)): it has shrunk to less than "
                    + "the \(size) bytes it had",
                subject: name)
        }
    }

    public func currentSize() throws(LifeboatError) -> UInt64 { try file.size() }

    public var inUse: String? { VolumeUse(of: file)?.reason }

    /// Reads as much of the front as is aligned; 0 where direct reading does not work.
    ///
    /// Errors are not told: the same bytes are then read through the cache, which tells them.
    private func readDirect(at offset: UInt64, into target: UnsafeMutableRawBufferPointer) -> Int {
        guard let direct, !directFails.load(ordering: .relaxed),
            offset % UInt64(Self.alignment) == 0,
            Int(bitPattern: target.baseAddress) % Self.alignment == 0
        else { return 0 }
        let length = target.count / Self.alignment * Self.alignment
        guard length > 0 else { return 0 }
        let front = UnsafeMutableRawBufferPointer(rebasing: target[..<length])
        do throws(LifeboatError) {
            return try direct.read(at: offset, into: front)
        } catch {
            if error.code == .unsupported { directFails.store(true, ordering: .relaxed) }
            return 0
        }
    }

    private func readThroughCache(
        at offset: UInt64, into target: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError) -> Int {
        let extent = Extent(offset: offset, length: UInt64(target.count))
        let wasCached = cacheIsKnown && (file.cachedPages(extent) ?? 0) > 0
        let count = try file.read(at: offset, into: target)
        if !wasCached { file.dropCache(Self.aligned(extent)) }
        return count
    }

    /// The whole pages that an extent touches: the system forgets none in part.
    private static func aligned(_ extent: Extent) -> Extent {
        let page = UInt64(alignment)
        let start = extent.offset / page * page
        return Extent(offset: start, length: (extent.end + page - 1) / page * page - start)
    }
}
