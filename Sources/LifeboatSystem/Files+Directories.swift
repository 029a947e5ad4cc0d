internal import Glibc
public import LifeboatCore

extension Files {
    /// Makes a directory and those above it, as far as they are missing.
    public static func makeDirectories(
        _ path: String, mode: UInt32 = 0o700
    ) throws(LifeboatError) {
        if mkdir(path, mode_t(mode)) == 0 { return }
        if errno == EEXIST {
            if isDirectory(path) { return }
            throw LifeboatError(.exists, "\(path) exists and is no directory", subject: path)
        }
        let above = parent(of: path)
        guard errno == ENOENT, above != path, above != "." else {
            throw failure("cannot make directory", path)
        }
        try makeDirectories(above, mode: mode)
        if mkdir(path, mode_t(mode)) != 0, errno != EEXIST {
            throw failure("cannot make directory", path)
        }
    }

    /// Makes the names in a directory durable.
    public static func syncDirectory(_ path: String) throws(LifeboatError) {
        let directory = try File(path: path, access: .read)
        while fsync(directory.descriptor) != 0 {
            switch errno {
            case EINTR: continue
            // Some network file systems have no such call: they write names at once.
            case EINVAL, ENOSYS: return
            default: throw failure("cannot write to stable storage: directory", path)
            }
        }
    }

    /// The names in a directory, sorted by their bytes, without `.` and `..`.
    public static func list(_ path: String) throws(LifeboatError) -> [String] {
        guard let stream = opendir(path) else { throw failure("cannot list", path) }
        defer { closedir(stream) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(stream) else { break }
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        guard errno == 0 else { throw failure("cannot list", path, reading: true) }
        return names.sorted()
    }
}
