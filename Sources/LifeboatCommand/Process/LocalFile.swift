import Glibc
import LifeboatCore

/// The small local files that the command itself reads and writes: passwords and the page.
enum LocalFile {
    /// What was read, and whether everybody on this machine could have read it.
    struct Content {
        var bytes: [UInt8]
        var isReadableByOthers: Bool
    }

    static func exists(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0
    }

    /// The file's first bytes, at most `limit`.
    static func read(_ path: String, limit: Int) throws(LifeboatError) -> Content {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("cannot read", path) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw failure("cannot read", path) }
        var bytes = [UInt8](repeating: 0, count: limit)
        var filled = 0
        while filled < limit {
            let offset = filled
            let count = bytes.withUnsafeMutableBytes {
                Glibc.read(descriptor, $0.baseAddress?.advanced(by: offset), limit - offset)
            }
            if count == 0 { break }
            if count < 0 {
                if errno == EINTR { continue }
                throw failure("cannot read", path)
            }
            filled += count
        }
        let isFile = status.st_mode & S_IFMT == S_IFREG
        return Content(
            bytes: Array(bytes[..<filled]),
            isReadableByOthers: isFile && status.st_mode & 0o004 != 0)
    }

    /// Makes a file of mode 0600 that lasts, never over an existing one.
    static func writeNew(_ path: String, _ text: String) throws(LifeboatError) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure("cannot write", path) }
        defer { close(descriptor) }
        guard StandardStream.write(Array(text.utf8), to: descriptor), fsync(descriptor) == 0 else {
            let error = failure("cannot write", path)
            unlink(path)
            throw error
        }
        let parent = directory(of: path)
        let folder = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { throw failure("cannot write", parent) }
        defer { close(folder) }
        if fsync(folder) != 0 { throw failure("cannot write", parent) }
    }

    static func directory(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    private static func failure(_ what: String, _ path: String) -> LifeboatError {
        let number = errno
        let code: LifeboatError.Code =
            switch number {
            case ENOENT, ENOTDIR: .missing
            case EEXIST: .exists
            case EACCES, EPERM, EROFS: .denied
            case ENOSPC, EDQUOT: .full
            case EISDIR: .refused
            default: .unavailable
            }
        return LifeboatError(
            code, "\(what) \(path)", subject: path, cause: String(cString: strerror(number)))
    }
}
