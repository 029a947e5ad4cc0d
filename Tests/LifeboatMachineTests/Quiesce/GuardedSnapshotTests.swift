import Glibc
import LifeboatCore
import LifeboatSystem
import LifeboatTesting
import Testing

@testable import LifeboatMachine

/// What a guardian does with snapshots and paused machines, by what it writes down.
@Suite(.enabled(if: GuardianRole.own == nil)) struct GuardedSnapshotTests {
    private let folder: TemporaryDirectory

    init() throws {
        signal(SIGPIPE, SIG_IGN)
        folder = try TemporaryDirectory()
    }

    private var log: [String] { RecordingConnecting.log(folder.path) }
    private let end = "end 0000000000000001"

    private func guardian(failures: Int = 0) -> GuardianProcess {
        GuardianProcess(
            GuardianRole.arguments(
                "recorder",
                ["LIFEBOAT_TEST_FOLDER=\(folder.path)", "LIFEBOAT_TEST_FAILURES=\(failures)"]))
    }

    private func orders(linger: Double = 0.2) -> GuardianOrders {
        GuardianOrders(
            guests: [], snapshots: [.sample(folder.path)], runDirectory: folder.path, parent: 0,
            lingerSeconds: linger)
    }

    /// Whether the guardian has ended, as its claim tells.
    private var hasGuardianEnded: Bool {
        (try? Files.list(folder.path))?.contains { $0.hasPrefix("guardian-") } == false
    }

    @Test func `a run that is killed while it reads leaves no snapshot`() throws {
        let run = try ChildProcess(
            .init(GuardianRole.arguments("reader", ["LIFEBOAT_TEST_FOLDER=\(folder.path)"])))
        #expect(eventually { Files.exists(folder.file("reads")) })
        Threads.sleep(seconds: 0.5)
        #expect(log.isEmpty && !hasGuardianEnded)
        run.kill()
        #expect(eventually { hasGuardianEnded })
        #expect(log == [end])
    }

    @Test func `a run that has finished leaves nothing to be ended`() throws {
        let handle = try guardian().start(orders(), timeoutSeconds: 60)
        handle.release(running: [])
        handle.finish()
        #expect(eventually { hasGuardianEnded })
        #expect(log.isEmpty)
    }

    @Test func `what a run may still have asked for is ended too`() throws {
        _ = try guardian().start(orders(linger: 3), timeoutSeconds: 60)
        #expect(eventually { hasGuardianEnded })
        #expect(log.count > 1 && Set(log) == [end])
    }

    @Test func `an end that fails is repeated`() throws {
        do {
            let handle = try guardian(failures: 2).start(orders(), timeoutSeconds: 60)
            handle.release(running: [])
        }
        #expect(eventually { log.count == 3 })
        #expect(eventually { hasGuardianEnded })
        #expect(log.count == 3)
    }

    @Test func `the next run's guardian keeps the one before from ending anything`() throws {
        let second: any GuardianHandle
        do {
            let first = try guardian().start(orders(), timeoutSeconds: 60)
            first.release(running: [])
            second = try guardian().start(orders(), timeoutSeconds: 60)
        }
        // By now the first one knows that its run is gone.
        Threads.sleep(seconds: 2)
        #expect(log.isEmpty)
        second.finish()
        #expect(eventually { hasGuardianEnded })
        #expect(log.isEmpty)
    }

    @Test func `one that did not see the next run's guardian ends after it`() throws {
        _ = try guardian().start(orders(linger: 600), timeoutSeconds: 60)
        #expect(eventually { !log.isEmpty })
        for name in try Files.list(folder.path) where name.hasPrefix("guardian-") {
            try Files.remove(folder.file(name))
        }
        #expect(
            eventually {
                let before = log.count
                Threads.sleep(seconds: 3)
                return log.count == before
            })
    }

    @Test func `machines of one name at two places do not take each other over`() throws {
        var other = SnapshotRemains.sample(folder.path)
        other.address.monitor = folder.file("other")
        other.snapshot = "0000000000000002"
        var more = orders()
        more.snapshots = [other]
        let second: any GuardianHandle
        do {
            let first = try guardian().start(orders(), timeoutSeconds: 60)
            first.release(running: [])
            second = try guardian().start(more, timeoutSeconds: 60)
        }
        #expect(eventually { log == [end] })
        second.finish()
        #expect(eventually { hasGuardianEnded })
        #expect(log == [end])
    }

    @Test(arguments: [QuiescePolicy.pause, .crash, .prefer])
    func `a guardian is told of paused machines without agents, and of all snapshots`(
        quiesce: QuiescePolicy
    ) throws {
        var policy = ProtectionPolicy()
        policy.quiesce = quiesce
        let starting = CapturingStarting()
        let off = SnapshotRemains.sample(folder.file("off"))
        let runner = QuiesceRunner(
            members: [
                (ScriptedMachine("web", agent: nil, remains: .sample(folder.path)), policy),
                (ScriptedMachine("plain", agent: nil), policy),
                (ScriptedMachine("off", agent: nil, isRunning: false, remains: off), policy),
            ], guardian: starting, events: SilentSink(), cancellation: Cancellation(),
            runDirectory: folder.path)
        _ = try runner.run()
        #expect(starting.said.withLock { $0 } == ["release 0 1 2"])
        runner.finish()
        #expect(starting.said.withLock { $0 } == ["release 0 1 2", "finished"])
        let orders = try #require(starting.orders.withLock { $0 })
        #expect(orders.snapshots == [.sample(folder.path), off])
        #expect(orders.guests.map(\.name) == (quiesce == .pause ? ["web"] : []))
        #expect(
            orders.guests.allSatisfy { $0.isPaused && $0.machine == orders.snapshots[0].address })
    }

    @Test func `a machine that is paused is resumed without an agent`() throws {
        let sample = SnapshotRemains.sample(folder.path)
        let guest = GuardianOrders.Guest(
            index: 0, name: "web", address: GuestAgentAddress(), machine: sample.address,
            deadlineSeconds: 600, isPaused: true)
        let orders = GuardianOrders(
            guests: [guest], runDirectory: folder.path, parent: 0, lingerSeconds: 600)
        do { _ = try guardian(failures: 2).start(orders, timeoutSeconds: 60) }
        let line = "resume \(folder.file("qmp"))"
        #expect(eventually { log == [line, line, line] })
        // One that has resumed it does so no more, and goes when another comes.
        let next = try guardian().start(orders, timeoutSeconds: 60)
        next.release(running: [0])
        next.finish()
        #expect(eventually { hasGuardianEnded })
        #expect(log.count == 3)
    }
}

/// A guardian that is nobody: what it was told.
private final class CapturingStarting: GuardianStarting {
    let orders = Guarded<GuardianOrders?>(nil)
    let said = Guarded<[String]>([])

    private struct Handle: GuardianHandle {
        let owner: CapturingStarting
        func release(running: [Int]) {
            let words = ["release"] + running.map { "\($0)" }
            owner.said.withLock { $0.append(words.joined(separator: " ")) }
        }
        func finish() { owner.said.withLock { $0.append("finished") } }
    }

    func start(
        _ orders: GuardianOrders, timeoutSeconds: Double
    ) throws(LifeboatError) -> any GuardianHandle {
        self.orders.withLock { $0 = orders }
        return Handle(owner: self)
    }
}
