public import LifeboatCore
internal import LifeboatSystem

/// A regular file or a block device to write a volume to.
public final class FileTarget: VolumeWriter {
    public let name: String
    public let size: UInt64
    public let startsZeroed: Bool
    private let file: File
    private let direct: DirectWriter?

    private static let extentLimit = 1 << 16
    private static let zeroBytes = 1 << 20

    private init(file: File, size: UInt64, startsZeroed: Bool) {
        name = file.path
        self.file = file
        direct = DirectWriter(path: file.path)
        self.size = size
        self.startsZeroed = startsZeroed
    }

    /// Makes a sparse file of `size` bytes; `.exists` if the name is taken.
    public static func createNew(path: String, size: UInt64) throws(LifeboatError) -> FileTarget {
        let file = try File(path: path, access: .createNew)
        do throws(LifeboatError) {
            try file.truncate(to: size)
            try Files.syncDirectory(Files.parent(of: path))
        } catch {
            try? Files.remove(path)
            throw error
        }
        return FileTarget(file: file, size: size, startsZeroed: true)
    }

    /// Opens what is there to overwrite it; `.refused` for a device that something has claimed.
    public static func openExisting(path: String) throws(LifeboatError) -> FileTarget {
        let kind = try File(path: path, access: .read).kind
        let file: File
        switch kind {
        case .regular:
            file = try File(path: path, access: .readWrite)
        case .blockDevice:
            do throws(LifeboatError) {
                file = try File(path: path, access: .writeExclusiveDevice)
            } catch {
                guard error.code == .refused else { throw error }
                throw LifeboatError(
                    .refused, "\(path) is in use, and is not overwritten", subject: path,
                    cause: error.cause, advice: "unmount it, or detach what uses it")
            }
        default:
            throw LifeboatError(
                .refused, "\(path) is neither a file nor a block device", subject: path)
        }
        return FileTarget(file: file, size: try file.size(), startsZeroed: false)
    }

    public func write(
        at offset: UInt64, _ bytes: UnsafeRawBufferPointer
    ) throws(LifeboatError) {
        try check(Extent(offset: offset, length: UInt64(bytes.count)))
        if let direct, try direct.write(at: offset, bytes) { return }
        try file.write(at: offset, bytes)
    }

    public func zero(_ extent: Extent) throws(LifeboatError) {
        try check(extent)
        if try file.punchHole(extent) { return }
        let zeros = Buffer(capacity: Int(min(UInt64(Self.zeroBytes), extent.length)))
        zeros.storage.initializeMemory(as: UInt8.self, repeating: 0)
        var offset = extent.offset
        while offset < extent.end {
            zeros.count = Int(min(UInt64(zeros.capacity), extent.end - offset))
            try file.write(at: offset, zeros.bytes)
            offset += UInt64(zeros.count)
        }
    }

    public func read(
        at offset: UInt64, into target: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError) -> Int {
        try file.read(at: offset, into: target)
    }

    public func dataExtents(from start: UInt64, to end: UInt64) throws(LifeboatError) -> [Extent] {
        try file.dataExtents(from: start, to: min(end, size), limit: Self.extentLimit)
    }

    public func sync() throws(LifeboatError) { try file.sync() }

    public func dropCache() { file.dropCache(Extent(offset: 0, length: 0)) }

    /// A write past the end would make a file longer than the volume.
    private func check(_ extent: Extent) throws(LifeboatError) {
        let (end, overflow) = extent.offset.addingReportingOverflow(extent.length)
        guard overflow || end > size else { return }
        throw LifeboatError(
            .refused,
            "bytes \(extent.offset)-\(end) do not fit into \(name), which has \(size)",
            subject: name)
    }
}
