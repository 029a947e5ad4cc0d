public import LifeboatCore
internal import LifeboatSystem

/// The disk in an image file, such as one in qcow2 format, to write a volume to.
public final class ImageTarget: VolumeWriter {
    public let name: String
    public var size: UInt64 { target.size }
    public var startsZeroed: Bool { target.startsZeroed }
    private let format: ImageFormat
    private let server: ImageServer
    private let target: NBDTarget

    private static let sectorByteCount: UInt64 = 512

    private init(
        path: String, format: ImageFormat, startsZeroed: Bool
    ) throws(LifeboatError) {
        name = path
        self.format = format
        server = try ImageServer(path: path, format: format, isWritable: true)
        var options = NBDOptions()
        options.name = path
        target = try NBDTarget(
            uri: server.uri, options: options, startsZeroed: startsZeroed)
    }

    /// Makes an image for a disk of at least `size` bytes; `.exists` if the name is taken.
    public static func createNew(
        path: String, format: ImageFormat, size: UInt64
    ) throws(LifeboatError) -> ImageTarget {
        let sectors = (size + sectorByteCount - 1) / sectorByteCount
        try ImageTool.createNew(path, format: format, size: max(1, sectors) * sectorByteCount)
        do throws(LifeboatError) {
            try Files.syncDirectory(Files.parent(of: path))
            return try ImageTarget(path: path, format: format, startsZeroed: true)
        } catch {
            try? Files.remove(path)
            throw error
        }
    }

    /// Opens an image that no machine has open, to overwrite the disk in it.
    public static func openExisting(
        path: String, format: ImageFormat
    ) throws(LifeboatError) -> ImageTarget {
        try ImageTarget(path: path, format: format, startsZeroed: false)
    }

    public func write(
        at offset: UInt64, _ bytes: UnsafeRawBufferPointer
    ) throws(LifeboatError) {
        try target.write(at: offset, bytes)
    }

    public func zero(_ extent: Extent) throws(LifeboatError) { try target.zero(extent) }

    public func read(
        at offset: UInt64, into target: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError) -> Int {
        try self.target.read(at: offset, into: target)
    }

    public func dataExtents(from start: UInt64, to end: UInt64) throws(LifeboatError) -> [Extent] {
        try target.dataExtents(from: start, to: end)
    }

    public func sync() throws(LifeboatError) { try target.sync() }

    public func dropCache() { (try? File(path: name, access: .read))?.dropCache() }

    /// Ends writing; the image is whole and on stable storage then.
    public func close() throws(LifeboatError) {
        try target.sync()
        server.close()
        try File(path: name, access: .readWrite).sync()
    }
}

extension File {
    fileprivate func dropCache() { dropCache(Extent(offset: 0, length: 0)) }
}
