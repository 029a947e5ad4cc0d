internal import CLinux
internal import Glibc
public import LifeboatCore

/// Whole files and directories, by name.
public enum Files {
    /// The content of a file of at most `limit` bytes; `.damaged` if it is longer.
    public static func readWhole(_ path: String, limit: Int) throws(LifeboatError) -> [UInt8] {
        let file = try File(path: path, access: .read)
        var bytes: [UInt8] = []
        // Files in /proc and pipes do not know their size, so read until the end.
        let known = Int(clamping: try file.size())
        let piece = Buffer(capacity: min(max(known + 1, 4096), 1 << 20))
        while true {
            let count = try file.readNext(into: piece.storage)
            piece.count = count
            guard bytes.count + count <= limit else {
                throw LifeboatError(
                    .damaged, "\(path) is larger than the \(limit) bytes it may have",
                    subject: path)
            }
            bytes.append(contentsOf: piece.bytes)
            if count < piece.capacity { return bytes }
        }
    }

    /// Whether anything has this name; a link that leads nowhere does not count.
    @Sendable public static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// Whether this is a directory, or a link to one.
    @Sendable public static func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// Whether this is a UNIX socket.
    public static func isSocket(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFSOCK
    }

    /// The bytes of a file; `nil` if nothing has this name.
    public static func size(_ path: String) throws(LifeboatError) -> UInt64? {
        var status = stat()
        if stat(path, &status) == 0 { return UInt64(max(0, status.st_size)) }
        if errno == ENOENT || errno == ENOTDIR { return nil }
        throw failure("cannot tell the size of", path)
    }

    /// Removes a file or an empty directory.
    public static func remove(_ path: String) throws(LifeboatError) {
        if Glibc.remove(path) != 0 { throw failure("cannot remove", path) }
    }

    /// Renames, replacing a file of the new name.
    ///
    /// Call `syncDirectory` to make it last.
    public static func rename(from: String, to: String) throws(LifeboatError) {
        if Glibc.rename(from, to) != 0 { throw failure("cannot rename \(from) to", to) }
    }

    /// Renames; `.exists` if the new name is taken, and then nothing changes.
    public static func renameNew(from: String, to: String) throws(LifeboatError) {
        if lifeboat_rename_new(from, to) == 0 { return }
        if errno == EEXIST {
            throw LifeboatError(.exists, "\(to) exists already", subject: to)
        }
        throw failure("cannot rename \(from) to", to)
    }

    /// The canonical name, or `nil` if nothing is there.
    public static func realPath(_ path: String) -> String? {
        guard let text = realpath(path, nil) else { return nil }
        defer { free(text) }
        return String(cString: text)
    }

    /// The part before the last slash.
    public static func parent(of path: String) -> String {
        var trimmed = path[...]
        while trimmed.count > 1, trimmed.last == "/" { trimmed.removeLast() }
        guard let slash = trimmed.lastIndex(of: "/") else { return "." }
        return slash == trimmed.startIndex ? "/" : String(trimmed[..<slash])
    }

    static func failure(_ what: String, _ path: String, reading: Bool = false) -> LifeboatError {
        .system("\(what) \(path)", path: path, number: errno, reading: reading)
    }
}
