import LifeboatCore
import LifeboatSystem
import LifeboatTesting
import Testing

@testable import LifeboatMachine

@Suite struct QuiesceRunnerTests {
    private func policy(_ quiesce: QuiescePolicy, seconds: Double = 60) -> ProtectionPolicy {
        var policy = ProtectionPolicy()
        policy.quiesce = quiesce
        policy.freezeSeconds = seconds
        return policy
    }

    private func run(
        _ members: [(machine: any ProtectedMachine, policy: ProtectionPolicy)],
        sink: any EventSink = SilentSink(), cancellation: Cancellation = Cancellation()
    ) throws -> GroupQuiesceOutcome {
        try QuiesceRunner(
            members: members, guardian: nil, events: sink, cancellation: cancellation,
            group: "shop"
        ).run()
    }

    @Test func `a guest is frozen, its snapshot started, and it runs again`() throws {
        let agent = try ScriptedAgent()
        let machine = ScriptedMachine("web", agent: agent)
        let outcome = try run([(machine, policy(.require))])
        #expect(outcome.members[0].level == .filesystem && outcome.members[0].reasons.isEmpty)
        #expect(outcome.members[0].isDeadManArmed && outcome.members[0].failure == nil)
        #expect(outcome.members[0].windowMilliseconds != nil)
        #expect(machine.state.withLock { $0.wasFrozen } == true)
        #expect(!agent.isFrozen)
        // The dead-man does not outlive what it guards.
        #expect(agent.state.withLock { !$0.isDeadManArmed })
        let log = agent.state.withLock { $0.log }
        let arming = try #require(log.firstIndex(of: "guest-exec"))
        #expect(arming < log.firstIndex(of: "guest-fsfreeze-freeze") ?? 0)
    }

    @Test func `hooks and commands give the level and hear what it is about`() throws {
        let folder = try TemporaryDirectory()
        let agent = try ScriptedAgent()
        let machine = ScriptedMachine("web", agent: agent)
        var asked = policy(.require)
        for moment in [HostHook.Moment.beforeFreeze, .afterThaw] {
            asked.hooks.append(
                HostHook(
                    moment: moment,
                    arguments: [
                        "/bin/sh", "-c",
                        "echo $LIFEBOAT_MOMENT $LIFEBOAT_MACHINE $LIFEBOAT_GROUP >> "
                            + folder.file("log"),
                    ]))
        }
        var command = GuestCommand(arguments: ["/usr/bin/flush"])
        command.quiescesApplications = true
        asked.guestCommands = [command]
        let outcome = try run([(machine, asked)])
        #expect(outcome.members[0].level == .application)
        let log = try Files.readWhole(folder.file("log"), limit: 1000)
        #expect(
            String(decoding: log, as: UTF8.self)
                == "before-freeze web shop\nafter-thaw web shop\n")
    }

    @Test(arguments: [OnError.fail, .degrade, .ignore])
    func `a failing hook does what its policy says`(onError: OnError) throws {
        let agent = try ScriptedAgent()
        var asked = policy(.prefer)
        asked.hasFreezeHooks = true
        var hook = HostHook(moment: .beforeFreeze, arguments: ["/bin/false"])
        hook.onError = onError
        asked.hooks = [hook]
        let sink = WarningSink()
        let outcome = try run([(ScriptedMachine("web", agent: agent), asked)], sink: sink)
        switch onError {
        case .fail: #expect(outcome.members[0].failure?.subject == "/bin/false")
        case .degrade: #expect(outcome.members[0].level == .filesystem)
        case .ignore: #expect(outcome.members[0].level == .application)
        }
        #expect(outcome.members[0].reasons.isEmpty == (onError != .degrade))
        #expect(sink.warnings.withLock { $0.isEmpty } == (onError != .ignore))
    }

    @Test func `where a required guest cannot be frozen nobody stays frozen`() throws {
        let good = try ScriptedAgent()
        let bad = try ScriptedAgent { $0.faults["guest-fsfreeze-freeze"] = [.refused] }
        let outcome = try run([
            (ScriptedMachine("good", agent: good), policy(.prefer)),
            (ScriptedMachine("bad", agent: bad), policy(.require)),
        ])
        #expect(outcome.members.allSatisfy { $0.failure != nil && $0.level == nil })
        #expect(outcome.members[1].failure?.code == .refused)
        #expect(!good.isFrozen && !bad.isFrozen)
    }

    @Test func `a preferred freeze that fails lowers the level and says why`() throws {
        let agent = try ScriptedAgent { $0.faults["guest-fsfreeze-freeze"] = [.refusedButDone] }
        let outcome = try run([(ScriptedMachine("web", agent: agent), policy(.prefer))])
        #expect(outcome.members[0].level == .crash && !outcome.members[0].reasons.isEmpty)
        #expect(!agent.isFrozen)
    }

    @Test func `a machine is paused and runs again even where that fails at first`() throws {
        let machine = ScriptedMachine("web", agent: nil)
        machine.state.withLock { $0.failingResumes = 2 }
        let outcome = try run([(machine, policy(.pause, seconds: 2))])
        #expect(outcome.members[0].level == .crash)
        #expect(machine.state.withLock { !$0.isPaused && $0.pauses == 1 && $0.resumes == 3 })
    }

    @Test func `machines that are off, of no interest or without an agent`() throws {
        let off = ScriptedMachine("off", agent: nil, isRunning: false)
        let stateless = ScriptedMachine("stateless", agent: nil)
        let mute = ScriptedMachine("mute", agent: nil)
        let outcome = try run([
            (off, policy(.require)), (stateless, policy(.stateless)), (mute, policy(.prefer)),
        ])
        #expect(outcome.members[0].level == .crash && outcome.members[0].failure == nil)
        #expect(outcome.members[1].level == nil && outcome.members[1].failure == nil)
        #expect(stateless.state.withLock { $0.wasFrozen } == nil)
        #expect(outcome.members[2].level == .crash && !outcome.members[2].reasons.isEmpty)
    }

    @Test func `a guest that is frozen by somebody else is left to them`() throws {
        let agent = try ScriptedAgent { $0.frozen = 2 }
        let outcome = try run([(ScriptedMachine("web", agent: agent), policy(.prefer))])
        #expect(outcome.members[0].level == .crash && agent.isFrozen)
    }

    @Test func `an interruption thaws first`() throws {
        let agent = try ScriptedAgent()
        let machine = ScriptedMachine("web", agent: agent, snapshot: .slow(2))
        let cancellation = Cancellation()
        _ = Threads.start(name: "interrupt") {
            _ = eventually { agent.isFrozen }
            cancellation.cancel()
        }
        let error = #expect(throws: LifeboatError.self) {
            try run([(machine, policy(.require))], cancellation: cancellation)
        }
        #expect(error?.code == .cancelled)
        #expect(!agent.isFrozen)
        #expect(agent.state.withLock { $0.log.contains("guest-fsfreeze-freeze") })
    }

    @Test func `the dead-man thaws what the guest has, and is ended again`() throws {
        let folder = try TemporaryDirectory()
        let log = folder.file("log")
        // In the place of the real one, which is for root and for guests.
        try Files.writeAtomically(
            folder.file("fsfreeze"), Array("#!/bin/sh\necho \"$@\" >> \(log)\n".utf8), mode: 0o755)
        let guest = HostAsGuest(folder.path)
        let process = try DeadMan.arm(guest, seconds: 1, timeoutSeconds: 30)
        let command = "/proc/\(process)/cmdline"
        #expect(Files.exists(command))
        #expect(eventually { Files.exists(log) })
        let words = String(decoding: try Files.readWhole(log, limit: 1 << 20), as: UTF8.self)
        #expect(words.split(separator: "\n").allSatisfy { $0.hasPrefix("--unfreeze /") })
        // One that a died run left would spoil the next freeze.
        let next = try DeadMan.arm(guest, seconds: 600, timeoutSeconds: 30)
        #expect(eventually { (try? Files.readWhole(command, limit: 1 << 16))?.isEmpty ?? true })
        let nextCommand = "/proc/\(next)/cmdline"
        #expect(Files.exists(nextCommand))
        try DeadMan.disarm(guest, process: next, timeoutSeconds: 30)
        #expect(eventually { (try? Files.readWhole(nextCommand, limit: 1 << 16))?.isEmpty ?? true })
    }

    @Test func `an alarm of an earlier run is told, and goes when the guest answers`() throws {
        let folder = try TemporaryDirectory()
        let text = """
            {"machine":"web","address":{},"time":1,"message":"web may be frozen"}
            """
        try Files.writeAtomically(folder.file("frozen-web.json"), Array(text.utf8))
        #expect(GuardianAlarm.all(in: folder.path).map(\.machine) == ["web"])
        let sink = WarningSink()
        let agent = try ScriptedAgent()
        _ = try QuiesceRunner(
            members: [(ScriptedMachine("web", agent: agent), policy(.prefer))], guardian: nil,
            events: sink, cancellation: Cancellation(), runDirectory: folder.path
        ).run()
        #expect(sink.warnings.withLock { $0.first?.contains("web may be frozen") } == true)
        #expect(GuardianAlarm.all(in: folder.path).isEmpty)
    }
}

/// Runs a guest's commands here.
private final class HostAsGuest: Quiescer {
    private let folder: String

    /// `folder`: where programs are found first.
    init(_ folder: String) { self.folder = folder }

    var address: GuestAgentAddress { GuestAgentAddress() }

    func run(
        _ arguments: [String], timeoutSeconds: Double
    ) throws(LifeboatError) -> GuestCommandResult {
        var launch = ChildProcess.Launch(arguments)
        launch.environment = ["PATH": "\(folder):/usr/bin:/bin"]
        let result = try ChildProcess.run(launch, timeoutSeconds: timeoutSeconds)
        var code: Int?
        if case .exited(let number) = result.ending { code = Int(number) }
        return GuestCommandResult(
            exitCode: code, output: result.output, errorOutput: result.errorOutput)
    }

    func start(_ arguments: [String], timeoutSeconds: Double) throws(LifeboatError) {}
    func system(timeoutSeconds: Double) throws(LifeboatError) -> GuestSystem {
        throw LifeboatError(.unsupported, "no guest")
    }
    func isFrozen(timeoutSeconds: Double) throws(LifeboatError) -> Bool { false }
    func freeze(mountPoints: [String], timeoutSeconds: Double) throws(LifeboatError) -> Int { 0 }
    func thaw(timeoutSeconds: Double) throws(LifeboatError) -> Int { 0 }
}
