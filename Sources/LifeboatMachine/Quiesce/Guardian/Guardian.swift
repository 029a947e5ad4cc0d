import Foundation
import Glibc
public import LifeboatCore
import LifeboatSystem

/// The process that lets guests run again where the one that froze them does not.
///
/// It shares nothing with that one but a pipe: orders come in on standard input, `ready` goes out,
/// and then comes `release` with the guests that are known to run, or the end of the pipe, which
/// says that the other process is dead. At the deadline, at that end and at `SIGTERM` it thaws
/// every guest not known to run, through whatever way answers, until the guest says `thawed`; and
/// goes on watching, because a freeze may still happen late.
public final class Guardian: Sendable {
    enum Wish: Equatable {
        case wait
        /// The other process is dead, or somebody ends this one.
        case thaw
        /// The other process ended well and does not know of some guests.
        case watch(running: [Int])
    }

    private let connecting: any GuestAgentConnecting
    private let alarm: @Sendable (String) -> Void
    private let condition = Condition()
    private let wish = Guarded(Wish.wait)

    /// `alarm`: tells somebody what no process can mend.
    public init(
        connecting: any GuestAgentConnecting,
        alarm: @escaping @Sendable (String) -> Void = { Guardian.tellSystem($0) }
    ) {
        self.connecting = connecting
        self.alarm = alarm
    }

    /// Does it all; returns whether every guest is known to run.
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
        let claims = orders.guests.map {
            GuardianClaim(machine: $0.name, in: orders.runDirectory)
        }
        let start = Clock.monotonicSeconds()
        // Where nobody reads it, the end of the input says so too.
        _ = Array("ready\n".utf8).withUnsafeBytes { write(output, $0.baseAddress, $0.count) }
        let results = Guarded([Bool](repeating: false, count: orders.guests.count))
        listen(lines)
        Threads.run(count: orders.guests.count, name: "guest") { [self] index in
            var guest = GuardedGuest(
                orders.guests[index], orders, claim: claims[index], start: start,
                connecting: connecting, alarm: alarm)
            let isRunning = guest.look(after: self)
            results.withLock { $0[index] = isRunning }
        }
        return results.withLock { $0.allSatisfy(\.self) }
    }

    /// Waits at most so long for something new; what is wished now.
    func wait(seconds: Double, while isUnchanged: (Wish) -> Bool) -> Wish {
        let deadline = Deadline(seconds: seconds)
        return condition.withLock {
            while true {
                let now = wish.withLock { $0 }
                guard isUnchanged(now), !deadline.hasPassed else { return now }
                _ = condition.wait(seconds: deadline.seconds)
            }
        }
    }

    private func listen(_ lines: DescriptorLines) {
        _ = Threads.start(name: "orders") { [self] in
            var lines = lines
            while let line = lines.next() {
                let words = String(decoding: line, as: UTF8.self).split(separator: " ")
                guard words.first == "release" else { continue }
                let running = words.dropFirst().compactMap { Int($0) }
                change { $0 = .watch(running: running) }
            }
            change { if $0 == .wait { $0 = .thaw } }
        }
    }

    private func change(_ body: (inout Wish) -> Void) {
        condition.withLock {
            wish.withLock { body(&$0) }
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
            change { if $0 == .wait { $0 = .thaw } }
        }
    }

    /// Tells standard error and the system's log.
    @Sendable public static func tellSystem(_ message: String) {
        FileHandle.standardError.write(Data("lifeboat guardian: \(message)\n".utf8))
        message.withCString { text in
            withVaList([text]) { vsyslog(LOG_DAEMON | LOG_ALERT, "lifeboat guardian: %s", $0) }
        }
    }
}

/// The lines that come in on a descriptor.
private struct DescriptorLines: Sendable {
    private let descriptor: Int32
    private var received: [UInt8] = []

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    /// The next line; `nil` at the end, or where a line is longer than any order.
    mutating func next() -> [UInt8]? {
        var piece = [UInt8](repeating: 0, count: 1 << 14)
        while true {
            if let end = received.firstIndex(of: 0x0A) {
                let line = Array(received[..<end])
                received.removeSubrange(...end)
                return line
            }
            let count = read(descriptor, &piece, piece.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0, received.count < 1 << 24 else { return nil }
            received += piece[..<count]
        }
    }
}
