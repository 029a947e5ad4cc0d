import Foundation
import Glibc
import LifeboatCore
import LifeboatMachine
import LifeboatSystem
import LifeboatTesting
import Testing

/// What this test binary does when a test starts it as another process.
enum GuardianRole {
    static let variable = "LIFEBOAT_TEST_ROLE"
    static var own: String? { Files.environment(variable) }

    /// How this binary is started in a role.
    static func arguments(_ role: String, _ settings: [String] = []) -> [String] {
        ["/usr/bin/env", "\(variable)=\(role)"] + settings + [
            CommandLine.arguments[0], "--testing-library", "swift-testing", "--filter",
            "GuardianRoles",
        ]
    }
}

/// Not tests: the other processes of the tests below.
@Suite(.enabled(if: GuardianRole.own != nil)) struct GuardianRoles {
    @Test(.enabled(if: GuardianRole.own == "guardian")) func `be a guardian`() throws {
        _ = try Guardian(connecting: SocketConnecting()).run()
    }

    /// One that writes down in a file what it would do to machines.
    @Test(.enabled(if: GuardianRole.own == "recorder")) func `be a guardian of machines`() throws {
        _ = try Guardian(connecting: RecordingConnecting()).run()
    }

    /// Starts a snapshot without a freeze, and is then as one that copies.
    @Test(.enabled(if: GuardianRole.own == "reader")) func `be a run that reads`() throws {
        signal(SIGPIPE, SIG_IGN)
        let folder = try #require(Files.environment("LIFEBOAT_TEST_FOLDER"))
        var policy = ProtectionPolicy()
        policy.quiesce = .crash
        let machine = ScriptedMachine("web", agent: nil, remains: .sample(folder))
        let runner = QuiesceRunner(
            members: [(machine, policy)],
            guardian: GuardianProcess(
                GuardianRole.arguments("recorder", ["LIFEBOAT_TEST_FOLDER=\(folder)"])),
            events: SilentSink(), cancellation: Cancellation(), runDirectory: folder)
        _ = try runner.run()
        try Files.writeAtomically("\(folder)/reads", [])
        Threads.sleep(seconds: 600)
        runner.finish()
    }

    /// Freezes a guest and hangs in the snapshot.
    @Test(.enabled(if: GuardianRole.own == "runner")) func `be a run`() throws {
        signal(SIGPIPE, SIG_IGN)
        let socket = try #require(Files.environment("LIFEBOAT_TEST_AGENT"))
        let seconds = try #require(Files.environment("LIFEBOAT_TEST_SECONDS").flatMap(Double.init))
        var policy = ProtectionPolicy()
        policy.freezeSeconds = seconds
        policy.armsDeadMan = false
        let machine = ScriptedMachine("web", agent: nil, socket: socket, snapshot: .hangs(600))
        _ = try QuiesceRunner(
            members: [(machine, policy)],
            guardian: GuardianProcess(GuardianRole.arguments("guardian")),
            events: SilentSink(), cancellation: Cancellation(),
            runDirectory: Files.environment("LIFEBOAT_TEST_FOLDER") ?? ""
        ).run()
    }
}

/// Writes down what it is asked to do: one line for each time, in the file `log`.
struct RecordingConnecting: GuestAgentConnecting {
    /// So many of the first calls fail.
    static var failures: Int { Files.environment("LIFEBOAT_TEST_FAILURES").flatMap(Int.init) ?? 0 }

    static func log(_ folder: String) -> [String] {
        let bytes = (try? Files.readWhole("\(folder)/log", limit: 1 << 20)) ?? []
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
    }

    private func note(_ line: String) throws(LifeboatError) {
        let folder = Files.environment("LIFEBOAT_TEST_FOLDER") ?? ""
        let lines = Self.log(folder) + [line]
        try Files.writeAtomically("\(folder)/log", Array((lines.joined(separator: "\n")).utf8))
        guard lines.count > Self.failures else {
            throw LifeboatError(.unavailable, "a planned fault")
        }
    }

    func quiescer(for address: GuestAgentAddress) throws(LifeboatError) -> any Quiescer {
        throw LifeboatError(.unsupported, "there are no agents here")
    }

    func resume(_ address: MachineAddress, timeoutSeconds: Double) throws(LifeboatError) {
        try note("resume \(address.monitor ?? "")")
    }

    func end(
        _ remains: SnapshotRemains, timeoutSeconds: Double,
        while isWanted: @escaping @Sendable () -> Bool
    ) throws(LifeboatError) {
        try note("end \(remains.snapshot)")
    }
}

extension SnapshotRemains {
    /// What a run has in a machine that is only written about.
    static func sample(_ folder: String) -> SnapshotRemains {
        SnapshotRemains(
            machine: "web", address: MachineAddress(monitor: "\(folder)/qmp"), line: "0a1b2c3d",
            snapshot: "0000000000000001", runDirectory: folder, scratchDirectory: folder)
    }
}
