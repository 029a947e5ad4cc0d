internal import CLinux
internal import Glibc
public import LifeboatCore

extension File {
    /// Whether this system can tell what of this file is in the page cache.
    public var supportsReadCached: Bool {
        lifeboat_cached_pages(descriptor, 0, 1) >= 0
    }

    /// How many pages of `extent` are in the page cache; `nil` where the system does not say.
    public func cachedPages(_ extent: Extent) -> Int? {
        let pages = lifeboat_cached_pages(descriptor, extent.offset, extent.length)
        return pages < 0 ? nil : Int(pages)
    }

    /// Reads what is in the page cache already: the bytes read when all were there, else `nil`.
    ///
    /// The cache is asked first: a read with RWF_NOWAIT alone would start reading ahead what is
    /// missing, and so fill the cache that it should leave alone.
    public func readCached(
        at offset: UInt64, into target: UnsafeMutableRawBufferPointer
    ) -> Int? {
        guard target.count > 0, let position = off_t(exactly: offset) else { return nil }
        let end = offset + UInt64(target.count)
        let pages = Int((end + Self.pageBytes - 1) / Self.pageBytes - offset / Self.pageBytes)
        let extent = Extent(offset: offset, length: UInt64(target.count))
        guard cachedPages(extent) == pages else { return nil }
        let count = lifeboat_read_nowait(descriptor, target.baseAddress, target.count, position)
        return count == target.count ? count : nil
    }

    /// Lets the page cache forget these bytes, as far as they are on disk.
    public func dropCache(_ extent: Extent) {
        posix_fadvise(
            descriptor, off_t(clamping: extent.offset), off_t(clamping: extent.length),
            POSIX_FADV_DONTNEED)
    }

    /// Tells the system that the file is read from front to back.
    public func adviseSequential() {
        posix_fadvise(descriptor, 0, 0, POSIX_FADV_SEQUENTIAL)
    }

    /// Tells the system not to read ahead.
    public func adviseRandom() {
        posix_fadvise(descriptor, 0, 0, POSIX_FADV_RANDOM)
    }

    private static var pageBytes: UInt64 { UInt64(sysconf(Int32(_SC_PAGESIZE))) }
}
