import Foundation
import LifeboatCore

/// Turns signals into wishes: to stop, where the second one ends the process at once, or to read
/// files of settings again.
///
/// SIGHUP says that the terminal has gone, and then asks for an end; or somebody sends it, as one
/// does to services, and then files are read again.
///
/// The signals are blocked everywhere and taken by one thread with `sigwait`, so nothing runs in
/// a signal handler. A signal that was ignored when the process began (as under `nohup`, or in
/// the background of a script) stays ignored.
enum Signals {
    /// Call once, before other threads begin: they inherit the blocked set.
    static func handle(cancel cancellation: Cancellation, reread rereading: Rereading) {
        let hadTerminal = hasTerminal
        var waited = sigset_t()
        sigemptyset(&waited)
        var count = 0
        for number in [SIGINT, SIGTERM, SIGHUP] where !isIgnored(number) {
            sigaddset(&waited, number)
            count += 1
        }
        guard count > 0 else { return }
        pthread_sigmask(SIG_BLOCK, &waited, nil)
        let set = waited
        Thread.detachNewThread {
            var set = set
            while true {
                var number: CInt = 0
                guard sigwait(&set, &number) == 0 else { continue }
                if number == SIGHUP, !hadTerminal || hasTerminal {
                    rereading.ask()
                    continue
                }
                if cancellation.isCancelled { _exit(ExitStatus.interrupted.rawValue) }
                cancellation.cancel()
            }
        }
    }

    /// Whether the process has a terminal that can be reached.
    private static var hasTerminal: Bool {
        let descriptor = open("/dev/tty", O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        close(descriptor)
        return true
    }

    private static func isIgnored(_ number: CInt) -> Bool {
        var action = sigaction()
        guard sigaction(number, nil, &action) == 0 else { return false }
        return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self)
            == unsafeBitCast(SIG_IGN, to: Int.self)
    }
}
