internal import Glibc
public import LifeboatCore

/// A fresh directory, removed with all that is in it when the object goes.
public final class TemporaryDirectory: Sendable {
    /// The directory, without a slash at the end.
    public let path: String

    /// Makes a directory in `parent`, or else in `TMPDIR` or `/tmp`.
    public init(in parent: String? = nil) throws(LifeboatError) {
        let folder = parent ?? getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        path = "\(folder)/lifeboat-\(Identifier.random().hex)"
        guard mkdir(path, 0o700) == 0 else {
            throw LifeboatError(.unavailable, "cannot make directory \(path)", subject: path)
        }
    }

    deinit { Self.removeTree(path) }

    /// A name in the directory.
    public func file(_ name: String) -> String { "\(path)/\(name)" }

    private static func removeTree(_ path: String) {
        // Not through links: what they lead to is not ours.
        if let stream = opendir(path) {
            var names: [String] = []
            while let entry = readdir(stream) {
                withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                    names.append(String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self))
                }
            }
            closedir(stream)
            for name in names where name != "." && name != ".." {
                let child = "\(path)/\(name)"
                if unlink(child) != 0 { removeTree(child) }
            }
        }
        rmdir(path)
    }
}
