import Glibc

/// Keeps secrets out of core files, and a closed pipe from ending the process.
enum Hardening {
    /// The variable that allows core files all the same, to look into a crash.
    static let allowCoreVariable = "LIFEBOAT_ALLOW_CORE"

    /// Called once, before anything else happens.
    static func apply(environment: Environment) {
        signal(SIGPIPE, SIG_IGN)
        guard environment[allowCoreVariable] != "1" else { return }
        var limit = rlimit(rlim_cur: 0, rlim_max: 0)
        // The type of the first parameter differs between C and the importer's view of it.
        _ = setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &limit)
    }
}
