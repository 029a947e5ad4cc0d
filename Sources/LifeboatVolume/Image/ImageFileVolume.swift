public import LifeboatCore
internal import LifeboatSystem

/// The disk in an image file, such as one in qcow2 format, as a volume to read.
///
/// QEMU's own `qemu-nbd` reads the format; whole chains of backing files are one volume.
public final class ImageFileVolume: VolumeReader {
    public let name: String
    public var size: UInt64 { volume.size }
    private let volume: NBDVolume
    private let server: ImageServer
    private let file: File

    /// Opens an image that no machine has open.
    ///
    /// - Throws: as `ImageServer` does.
    public init(
        path: String, format: ImageFormat, bitmap: String? = nil
    ) throws(LifeboatError) {
        name = path
        file = try File(path: path, access: .read)
        server = try ImageServer(path: path, format: format, bitmap: bitmap)
        var options = NBDOptions()
        options.name = path
        options.dirtyContext = bitmap.map(ImageServer.dirtyContext)
        volume = try NBDVolume(uri: server.uri, options: options)
    }

    public func extents(from start: UInt64, to end: UInt64) throws(LifeboatError) -> [Extent] {
        do throws(LifeboatError) {
            return try volume.extents(from: start, to: end)
        } catch {
            throw withLastWords(error)
        }
    }

    public func read(
        at offset: UInt64, into target: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError) {
        do throws(LifeboatError) {
            try volume.read(at: offset, into: target)
        } catch {
            throw withLastWords(error)
        }
    }

    /// What the bitmap calls changed; `.missing` without one.
    public func changedExtents() throws(LifeboatError) -> [Extent] { try volume.changedExtents() }

    public func currentSize() throws(LifeboatError) -> UInt64 { volume.size }

    public var inUse: String? { VolumeUse(of: file)?.reason }

    private func withLastWords(_ error: LifeboatError) -> LifeboatError {
        let words = server.lastWords
        guard !words.isEmpty else { return error }
        return LifeboatError(
            error.code, error.message, subject: error.subject,
            cause: [error.cause, words].compactMap { $0 }.joined(separator: "; "),
            advice: error.advice)
    }
}
