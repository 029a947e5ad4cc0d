import Glibc

/// Keeps secrets out of core files, and a closed pipe from ending the process.
enum Hardening {
    /// The variable that allows core files all the same, to look into a crash.
    static let allowCoreVariable = "LIFEBOAT_ALLOW_CORE"

    /// `PR_SET_DUMPABLE` of the kernel's interface.
    private static let setDumpable: CInt = 4

    /// Called once, before anything else happens.
    static func apply(environment: Environment) {
        signal(SIGPIPE, SIG_IGN)
        guard environment[allowCoreVariable] != "1" else { return }
        var limit = rlimit(rlim_cur: 0, rlim_max: 0)
        setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &limit)
        forbidDumping()
    }

    /// Says to the kernel that this process is neither dumped nor traced by the user's others.
    ///
    /// The limit alone does not do: where core files go to a program, the kernel ignores it.
    private static func forbidDumping() {
        typealias Control = @convention(c) (CInt, UInt, UInt, UInt, UInt) -> CInt
        // Swift does not import prctl, which is variadic. On Linux its arguments are passed as
        // those of any function, and all five are given.
        guard let symbol = dlsym(nil, "prctl") else { return }
        _ = unsafeBitCast(symbol, to: Control.self)(setDumpable, 0, 0, 0, 0)
    }
}
