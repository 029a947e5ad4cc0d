import LifeboatCore
import LifeboatSystem
import Testing

@testable import Lifeboat

/// A machine of which the test decides what happens.
private final class FakeGuest: InstantGuest, @unchecked Sendable {
    let name: String
    var state = InstantCondition.running
    var resumes = 0
    /// Disks that are whole, and those that are being copied with the steps they still need.
    var whole: Set<String> = []
    var jobs: [String: Int] = [:]
    var starts: [String] = []
    /// How many tries to resume bring nothing yet.
    var stubbornness = 0
    var stepsPerDisk = 2
    var fault: LifeboatError?

    init(_ name: String) { self.name = name }

    func condition() throws(LifeboatError) -> InstantCondition {
        if let fault { throw fault }
        return state
    }

    func resume() throws(LifeboatError) {
        resumes += 1
        guard resumes > stubbornness else { return }
        state = .running
    }

    func progress(_ disk: String) throws(LifeboatError) -> (done: UInt64, total: UInt64)? {
        guard let left = jobs[disk] else { return nil }
        guard left > 0 else {
            jobs[disk] = nil
            whole.insert(disk)
            return nil
        }
        jobs[disk] = left - 1
        return (UInt64(stepsPerDisk - left), UInt64(stepsPerDisk))
    }

    func isStandalone(_ disk: String) throws(LifeboatError) -> Bool { whole.contains(disk) }

    func startPull(_ disk: String) throws(LifeboatError) {
        starts.append(disk)
        jobs[disk] = stepsPerDisk
    }
}

private final class FakeServer: InstantServer, @unchecked Sendable {
    var isAnswering = true
    var starts = 0
    var failures = 0

    func start() throws(LifeboatError) {
        starts += 1
        guard starts > failures else { throw LifeboatError(.unavailable, "no") }
        isAnswering = true
    }

    func stop() { isAnswering = false }
}

private final class HeardEvents: EventSink, @unchecked Sendable {
    private let texts = Guarded<[String]>([])

    func tell(_ event: Event) {
        if case .warning(let text) = event { texts.withLock { $0.append(text) } }
    }

    var warnings: [String] { texts.withLock { $0 } }
}

@Suite struct InstantKeeperTests {
    private let guest = FakeGuest("web")
    private let server = FakeServer()
    private let heard = HeardEvents()
    private let time = Guarded(0.0)

    private func keeper(_ disks: [String] = ["vda", "vdb"]) -> InstantKeeper {
        let time = time
        return InstantKeeper(
            [guest], server, disks: disks.map { .init(machine: "web", target: $0, size: 100) },
            events: heard, now: { time.withLock { $0 } })
    }

    /// Steps until it is done; how many steps that took.
    private func run(_ keeper: InstantKeeper, limit: Int = 100) throws -> Int {
        for count in 0..<limit {
            if keeper.isDone { return count }
            try keeper.step(pulls: true)
            time.withLock { $0 += 1 }
        }
        return limit
    }

    @Test func `disks are copied one after the other`() throws {
        let keeper = keeper()
        #expect(try run(keeper) < 100)
        #expect(guest.starts == ["vda", "vdb"])
        #expect(guest.whole == ["vda", "vdb"])
        #expect(heard.warnings == [])
        #expect(guest.resumes == 0)
    }

    @Test func `nothing is copied before that is allowed`() throws {
        let keeper = keeper()
        for _ in 0..<5 { try keeper.step(pulls: false) }
        #expect(guest.starts == [])
    }

    @Test func `disks that are whole need no copying`() throws {
        guest.whole = ["vda", "vdb"]
        #expect(try run(keeper()) == 1)
        #expect(guest.starts == [])
    }

    @Test func `a server that died is started again before the guest goes on`() throws {
        let keeper = keeper()
        try keeper.step(pulls: false)
        server.isAnswering = false
        server.failures = 2
        guest.state = .stopped(hasNoSpace: false)
        guest.stubbornness = 2
        var resumesWithoutServer = 0
        for _ in 0..<20 {
            try keeper.step(pulls: false)
            if !server.isAnswering { resumesWithoutServer += guest.resumes }
            time.withLock { $0 += 1 }
        }
        #expect(resumesWithoutServer == 0)
        #expect(server.starts == 3)
        #expect(guest.state == .running)
        // The first tries only wake the connection.
        #expect(guest.resumes == 3)
        #expect(heard.warnings.count == 2)
    }

    @Test func `a copy that was interrupted is tried again`() throws {
        let keeper = keeper(["vda"])
        try keeper.step(pulls: true)
        #expect(guest.starts == ["vda"])
        guest.jobs = [:]
        #expect(try run(keeper) < 100)
        #expect(guest.starts == ["vda", "vda"])
        #expect(heard.warnings.contains { $0.contains("tried again") })
    }

    @Test func `a guest that somebody paused stays paused, and nothing is copied anew`() throws {
        guest.state = .paused
        let keeper = keeper()
        for _ in 0..<10 {
            try keeper.step(pulls: true)
            time.withLock { $0 += 1 }
        }
        #expect(guest.resumes == 0)
        #expect(guest.starts == [])
        guest.state = .running
        #expect(try run(keeper) < 100)
    }

    @Test func `a full disk is told, and not tried without end`() throws {
        guest.state = .stopped(hasNoSpace: true)
        guest.stubbornness = 1000
        let keeper = keeper()
        for _ in 0..<60 {
            try keeper.step(pulls: true)
            time.withLock { $0 += 1 }
        }
        #expect(guest.resumes == 3)
        #expect(heard.warnings.count == 1)
        #expect(heard.warnings.first?.contains("no space") == true)
    }

    @Test func `a machine that is gone ends it, a silent daemon does not`() throws {
        let keeper = keeper()
        guest.fault = LifeboatError(.unavailable, "silence")
        try keeper.step(pulls: true)
        guest.fault = LifeboatError(.missing, "gone")
        #expect(throws: LifeboatError(.missing, "")) { try keeper.step(pulls: true) }
    }

    @Test func `a guest that is shut off is waited for`() throws {
        guest.state = .off
        let keeper = keeper()
        for _ in 0..<5 {
            try keeper.step(pulls: true)
            time.withLock { $0 += 1 }
        }
        #expect(guest.starts == [])
        #expect(heard.warnings.count == 1)
        guest.state = .running
        #expect(try run(keeper) < 100)
    }
}
