internal import LifeboatCore

/// How exports of NBD servers are named.
///
/// Source: the NBD URI specification of the NBD project.
public enum NBDAddress {
    private static let plain = Set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~".utf8)

    /// An export of the server at a UNIX socket; the server's default one where it has no name.
    public static func local(export: String = "", socket: String) -> String {
        "nbd+unix:///\(escaped(export))?socket=\(escaped(socket, keeps: "/"))"
    }

    /// A text as a part of a URI, with all but `keeps` escaped that may stand for something else.
    public static func escaped(_ text: String, keeps: String = "") -> String {
        let plain = plain.union(keeps.utf8)
        return text.utf8.map { byte in
            plain.contains(byte)
                ? String(UnicodeScalar(byte)) : "%" + Hex.encode([byte]).uppercased()
        }.joined()
    }
}
