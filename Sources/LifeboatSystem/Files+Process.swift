internal import Glibc

extension Files {
    /// The value of an environment variable.
    public static func environment(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }
    }

    /// All environment variables.
    public static var environment: [String: String] {
        var variables: [String: String] = [:]
        var next = environ
        while let entry = next.pointee {
            let text = String(cString: entry)
            if let equals = text.firstIndex(of: "=") {
                variables[String(text[..<equals])] = String(text[text.index(after: equals)...])
            }
            next += 1
        }
        return variables
    }

    /// The path of the program that this process runs.
    public static var executable: String {
        linkTarget("/proc/self/exe") ?? "/proc/self/exe"
    }

    /// The name of this host; `localhost` where it has none.
    public static var hostName: String {
        var bytes = [CChar](repeating: 0, count: 256)
        guard gethostname(&bytes, bytes.count - 1) == 0 else { return "localhost" }
        let text = bytes.prefix { $0 != 0 }.map(UInt8.init(bitPattern:))
        let name = String(decoding: text, as: UTF8.self)
        return name.isEmpty ? "localhost" : name
    }

    /// The user's home directory, from `HOME` or the password file.
    public static var homeDirectory: String {
        if let home = environment("HOME"), home.hasPrefix("/") { return home }
        guard let entry = getpwuid(getuid()), let home = entry.pointee.pw_dir else { return "/" }
        return String(cString: home)
    }

    /// Lets this process have as many files open as the system allows it at most.
    ///
    /// An index of many terabytes is more files than the usual soft limit of 1,024.
    public static func raiseOpenFileLimit() {
        var limit = rlimit()
        let files = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        guard getrlimit(files, &limit) == 0, limit.rlim_cur < limit.rlim_max else { return }
        limit.rlim_cur = limit.rlim_max
        setrlimit(files, &limit)
    }

    /// The directory that relative names start from.
    public static var currentDirectory: String { realPath(".") ?? "/" }

    /// The path as it holds in every directory.
    public static func absolute(_ path: String) -> String {
        path.hasPrefix("/") ? path : currentDirectory + "/" + path
    }
}
