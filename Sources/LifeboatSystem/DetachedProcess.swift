internal import Glibc

/// A program that goes on beside this process and whose number stands in a file.
public enum DetachedProcess {
    /// The number in the file, where that process runs and is this program.
    public static func running(pidFile path: String, program: String) -> Int32? {
        guard let text = Files.text(path, limit: 64),
            let number = Int32(text.prefix { $0.isNumber }), number > 1,
            let state = Files.text("/proc/\(number)/stat", limit: 4096),
            let open = state.firstIndex(of: "("), let close = state.lastIndex(of: ")")
        else { return nil }
        // A number may be another program's by now, and what nobody has waited for runs no more.
        let rest = state[state.index(after: close)...].drop { $0 == " " }
        guard state[state.index(after: open)..<close] == program.prefix(15), rest.first != "Z"
        else { return nil }
        return number
    }

    /// Asks it to end, and kills it where it does not within so many seconds.
    ///
    /// Returns whether it runs no more.
    @discardableResult
    public static func stop(
        pidFile path: String, program: String, graceSeconds: Double = 5
    ) -> Bool {
        guard let number = running(pidFile: path, program: program) else { return true }
        for (signal, seconds) in [(SIGTERM, graceSeconds), (SIGKILL, 5)] {
            kill(number, signal)
            let deadline = Clock.monotonicSeconds() + seconds
            while Clock.monotonicSeconds() < deadline {
                if running(pidFile: path, program: program) != number { return true }
                Threads.sleep(seconds: 0.05)
            }
        }
        return running(pidFile: path, program: program) != number
    }
}
