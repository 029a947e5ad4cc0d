import Glibc

/// What this host calls itself.
enum HostName {
    static var current: String {
        var name = utsname()
        guard uname(&name) == 0 else { return "localhost" }
        let bytes = withUnsafeBytes(of: &name.nodename) { Array($0.prefix { $0 != 0 }) }
        return bytes.isEmpty ? "localhost" : String(decoding: bytes, as: UTF8.self)
    }
}
