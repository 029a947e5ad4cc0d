public import LifeboatCore
import LifeboatSystem

/// UNIX sockets of servers that tests start.
public enum UNIXSocket {
    /// The flag of a socket that listens, in /proc/net/unix.
    private static let listens = "00010000"

    /// Whether somebody listens at a path: that a socket is there says only that it has been bound.
    public static func isListening(_ path: String) throws(LifeboatError) -> Bool {
        let table = try Files.readWhole("/proc/net/unix", limit: 64 << 20)
        return String(decoding: table, as: UTF8.self).split(separator: "\n").contains { line in
            let fields = line.split(separator: " ", omittingEmptySubsequences: true)
            return fields.count > 7 && fields[3] == listens
                && fields[7...].joined(separator: " ") == path
        }
    }
}
