import Glibc
public import LifeboatCore
import LifeboatSystem

/// The process that lets guests run again where the one that froze them does not, and that ends
/// what a run leaves in hypervisors when it dies.
///
/// It shares nothing with that one but a pipe: orders come in on standard input, `ready` goes out,
/// and then come `release` with the guests that are known to run and, when the run has ended its
/// snapshots, `finished`; or the end of the pipe, which says that the other process is dead. At the
/// deadline, at that end and at `SIGTERM` it thaws every guest not known to run, through whatever
/// way answers, until the guest says `thawed`; and goes on watching, because a freeze may still
/// happen late. Snapshots are ended only where the pipe ended before `finished`.
public final class Guardian: Sendable {
    enum Wish: Equatable {
        case wait
        /// The other process is dead, or somebody ends this one.
        case thaw
        /// The other process ended well and does not know of some guests.
        case watch(running: [Int])
    }

    /// What is known of the process that gave the orders.
    enum Run: Equatable {
        case alive
        /// It has ended its snapshots.
        case finished
        case dead
    }

    private struct Tidings {
        var wish = Wish.wait
        var run = Run.alive
        var isTerminated = false
        /// The names of guests that run, or for which nothing more can be done.
        var settled: Set<String> = []
    }

    private let connecting: any GuestAgentConnecting
    private let alarm: @Sendable (String) -> Void
    private let condition = Condition()
    private let tidings = Guarded(Tidings())

    /// `alarm`: tells somebody what no process can mend.
    public init(
        connecting: any GuestAgentConnecting,
        alarm: @escaping @Sendable (String) -> Void = { Guardian.tellSystem($0) }
    ) {
        self.connecting = connecting
        self.alarm = alarm
    }

    /// Does it all; returns whether every guest is known to run, and no snapshot is left.
    ///
    /// Call it in a process of its own, before it has other threads.
    public func run(input: Int32 = 0, output: Int32 = 1) throws(LifeboatError) -> Bool {
        signal(SIGPIPE, SIG_IGN)
        signal(SIGHUP, SIG_IGN)
        signal(SIGINT, SIG_IGN)
        hearTermination()
        var lines = DescriptorLines(input)
        guard let first = lines.next() else { return true }
        let orders = try GuardianOrders(parsing: first)
        var claims = GuardianClaims(directory: orders.runDirectory)
        let guests = orders.guests.map { ($0, claims.claim($0)) }
        let snapshots = orders.snapshots.map { ($0, claims.claim($0)) }
        defer { claims.end() }
        let start = Clock.monotonicSeconds()
        // Where nobody reads it, the end of the input says so too.
        _ = Array("ready\n".utf8).withUnsafeBytes { write(output, $0.baseAddress, $0.count) }
        let count = guests.count + snapshots.count
        let results = Guarded([Bool](repeating: false, count: count))
        listen(lines)
        Threads.run(count: count, name: "guest") { [self] index in
            let isMended: Bool
            if index < guests.count {
                var guest = GuardedGuest(
                    guests[index].0, orders, claim: guests[index].1, start: start,
                    connecting: connecting, alarm: alarm)
                isMended = guest.look(after: self)
            } else {
                let (remains, claim) = snapshots[index - guests.count]
                isMended = GuardedSnapshot(
                    remains, orders, claim: claim, connecting: connecting, alarm: alarm
                ).look(after: self)
            }
            results.withLock { $0[index] = isMended }
        }
        return results.withLock { $0.allSatisfy(\.self) }
    }

    /// Waits at most so long for something new; what is wished now.
    func wait(seconds: Double, while isUnchanged: (Wish) -> Bool) -> Wish {
        wait(seconds: seconds) { isUnchanged($0.wish) }.wish
    }

    /// Waits until the run has finished or died, or this process is to end itself.
    func waitForEnd() -> Run {
        wait(seconds: .infinity) { $0.run == .alive && !$0.isTerminated }.run
    }

    /// Waits at most so long until these guests run or nothing more can be done for them.
    func waitForGuests(_ names: Set<String>, seconds: Double) {
        _ = wait(seconds: seconds) { !names.isSubset(of: $0.settled) }
    }

    /// Whether the run came to where its guests ran again, so that it had nothing more to start.
    var isReleased: Bool { tidings.withLock { if case .watch = $0.wish { true } else { false } } }

    func hasSettled(_ name: String) { change { $0.settled.insert(name) } }

    private func wait(seconds: Double, while isUnchanged: (Tidings) -> Bool) -> Tidings {
        let deadline = Deadline(seconds: seconds)
        return condition.withLock {
            while true {
                let now = tidings.withLock { $0 }
                guard isUnchanged(now), !deadline.hasPassed else { return now }
                _ = condition.wait(seconds: min(deadline.seconds, 3600))
            }
        }
    }

    private func listen(_ lines: DescriptorLines) {
        _ = Threads.start(name: "orders") { [self] in
            var lines = lines
            while let line = lines.next() {
                let words = String(decoding: line, as: UTF8.self).split(separator: " ")
                switch words.first {
                case "release":
                    let running = words.dropFirst().compactMap { Int($0) }
                    change { $0.wish = .watch(running: running) }
                case "finished": change { $0.run = .finished }
                default: break
                }
            }
            change { tidings in
                if tidings.wish == .wait { tidings.wish = .thaw }
                if tidings.run == .alive { tidings.run = .dead }
            }
        }
    }

    private func change(_ body: (inout Tidings) -> Void) {
        condition.withLock {
            tidings.withLock { body(&$0) }
            condition.broadcast()
        }
    }

    /// A shutdown of the host must not leave a guest frozen either.
    private func hearTermination() {
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGTERM)
        pthread_sigmask(SIG_BLOCK, &signals, nil)
        _ = Threads.start(name: "signals") { [self] in
            var signals = sigset_t()
            sigemptyset(&signals)
            sigaddset(&signals, SIGTERM)
            var number: Int32 = 0
            while sigwait(&signals, &number) != 0 {}
            change { tidings in
                tidings.isTerminated = true
                if tidings.wish == .wait { tidings.wish = .thaw }
            }
        }
    }

    /// Tells standard error and the system's log.
    ///
    /// Whoever read standard error may be dead, and the log's reader may hang: neither keeps a
    /// guardian from its guests.
    @Sendable public static func tellSystem(_ message: String) {
        try? TimedCall.run(seconds: 2) { () throws(LifeboatError) in
            let line = Array("lifeboat guardian: \(message)\n".utf8)
            _ = line.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
            message.withCString { text in
                withVaList([text]) { vsyslog(LOG_DAEMON | LOG_ALERT, "lifeboat guardian: %s", $0) }
            }
        }
    }
}
