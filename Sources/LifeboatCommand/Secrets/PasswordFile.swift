import LifeboatCodec
import LifeboatCore

/// A password in the first line of a file.
enum PasswordFile {
    /// Bytes; a longer line is a mistake, such as the wrong file.
    static let limit = 4096

    static func read(_ path: String, console: Console) throws(LifeboatError) -> SecretBytes {
        let content = try LocalFile.read(path, limit: limit + 2)
        if content.isReadableByOthers {
            console.warn(
                "everybody on this machine can read the password file \(path): use chmod 600")
        }
        return SecretBytes(try firstLine(content.bytes, of: "the password file \(path)"))
    }

    /// The bytes before the first line feed, and before a carriage return that precedes it.
    static func firstLine(_ bytes: [UInt8], of what: String) throws(LifeboatError) -> [UInt8] {
        var line = bytes.prefix { $0 != UInt8(ascii: "\n") }
        if line.count < bytes.count, line.last == UInt8(ascii: "\r") { line.removeLast() }
        if line.isEmpty {
            throw LifeboatError(.wrongKey, "\(what) begins with an empty line, not a password")
        }
        if line.count > limit {
            throw LifeboatError(.wrongKey, "\(what) has a first line of more than \(limit) bytes")
        }
        return Array(line)
    }
}
