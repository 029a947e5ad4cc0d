import Glibc
import LifeboatCore
import LifeboatMachine
import LifeboatSystem
import LifeboatTesting
import Testing

@Suite(.enabled(if: GuardianRole.own == nil)) struct GuardianTests {
    private let folder: TemporaryDirectory

    init() throws {
        signal(SIGPIPE, SIG_IGN)
        folder = try TemporaryDirectory()
    }

    private func orders(
        _ agent: ScriptedAgent, deadline: Double, linger: Double, parent: Int32 = 0
    ) -> GuardianOrders {
        GuardianOrders(
            guests: [
                GuardianOrders.Guest(
                    index: 0, name: "web/1", address: GuestAgentAddress(socket: agent.path),
                    deadlineSeconds: deadline, isPaused: false)
            ], runDirectory: folder.path, parent: parent, lingerSeconds: linger)
    }

    private func startRun(_ agent: ScriptedAgent, seconds: Double) throws -> ChildProcess {
        try ChildProcess(
            ChildProcess.Launch(
                GuardianRole.arguments(
                    "runner",
                    [
                        "LIFEBOAT_TEST_AGENT=\(agent.path)", "LIFEBOAT_TEST_SECONDS=\(seconds)",
                        "LIFEBOAT_TEST_FOLDER=\(folder.path)",
                    ])))
    }

    @Test func `a run that is killed leaves no guest frozen`() throws {
        let agent = try ScriptedAgent()
        // Far longer than the test waits: only the end of the run can be the reason.
        let run = try startRun(agent, seconds: 600)
        #expect(eventually { agent.isFrozen })
        run.kill()
        #expect(eventually { !agent.isFrozen })
    }

    @Test func `an alarm that nobody hears ends no guardian`() throws {
        // Two thaws that take as long as a guardian waits, so that it raises its alarm.
        let agent = try ScriptedAgent {
            $0.faults["guest-fsfreeze-thaw"] = [.ignored, .ignored]
        }
        let run = try startRun(agent, seconds: 6)
        #expect(eventually { agent.isFrozen })
        // The reader of its standard error.
        run.kill()
        #expect(eventually { !agent.isFrozen })
        #expect(agent.state.withLock { $0.log.count { $0 == "guest-fsfreeze-thaw" } } >= 3)
    }

    @Test func `a run that is stopped leaves no guest frozen`() throws {
        let agent = try ScriptedAgent()
        let run = try startRun(agent, seconds: 4)
        #expect(eventually { agent.isFrozen })
        kill(run.identifier, SIGSTOP)
        #expect(eventually { !agent.isFrozen })
        #expect(run.isRunning)
        run.kill()
    }

    @Test func `a stopped run that keeps the agent to itself is ended`() throws {
        let agent = try ScriptedAgent { $0.faults["guest-fsfreeze-freeze"] = [.mute] }
        let run = try startRun(agent, seconds: 6)
        #expect(eventually { agent.isFrozen })
        kill(run.identifier, SIGSTOP)
        #expect(eventually { !agent.isFrozen })
        #expect(run.wait(seconds: 60) != nil)
    }

    @Test func `a released guardian ends and leaves the guest alone`() throws {
        let agent = try ScriptedAgent { $0.frozen = 1 }
        let handle = try GuardianProcess(GuardianRole.arguments("guardian"))
            .start(orders(agent, deadline: 600, linger: 600), timeoutSeconds: 60)
        handle.release(running: [0])
        Threads.sleep(seconds: 0.5)
        #expect(agent.state.withLock { $0.log.isEmpty })
    }

    @Test func `a guardian that lingers leaves the guest to the next run's`() throws {
        let agent = try ScriptedAgent()
        let process = GuardianProcess(GuardianRole.arguments("guardian"))
        let first = try process.start(
            orders(agent, deadline: 2, linger: 600), timeoutSeconds: 60)
        first.release(running: [])
        #expect(eventually { agent.state.withLock { $0.log.contains("guest-fsfreeze-thaw") } })
        let second = try process.start(
            orders(agent, deadline: 600, linger: 600), timeoutSeconds: 60)
        // It may be asking just now, and asks at most once more.
        Threads.sleep(seconds: 1)
        agent.state.withLock {
            $0.frozen = 3
            $0.frozenSince = Clock.monotonicSeconds()
            $0.log = []
        }
        Threads.sleep(seconds: 1)
        #expect(agent.isFrozen && agent.state.withLock { $0.log.isEmpty })
        second.release(running: [0])
        #expect(eventually { (try? Files.list(folder.path)) == [] })
    }

    @Test func `a guardian that lingers ends after a next run that it did not see`() throws {
        let agent = try ScriptedAgent()
        let first = try GuardianProcess(GuardianRole.arguments("guardian")).start(
            orders(agent, deadline: 2, linger: 600), timeoutSeconds: 60)
        first.release(running: [])
        #expect(eventually { agent.state.withLock { $0.log.contains("guest-fsfreeze-status") } })
        for name in try Files.list(folder.path) { try Files.remove(folder.file(name)) }
        #expect(
            eventually {
                let before = agent.state.withLock { $0.log.count }
                Threads.sleep(seconds: 2)
                return agent.state.withLock { $0.log.count } == before
            })
    }

    @Test func `a freeze that happens late is noticed`() throws {
        let agent = try ScriptedAgent()
        let handle = try GuardianProcess(GuardianRole.arguments("guardian"))
            .start(orders(agent, deadline: 2, linger: 40), timeoutSeconds: 60)
        handle.release(running: [])
        #expect(eventually { agent.state.withLock { $0.log.contains("guest-fsfreeze-thaw") } })
        agent.state.withLock {
            $0.frozen = 3
            $0.frozenSince = Clock.monotonicSeconds()
        }
        #expect(eventually { !agent.isFrozen })
    }

    @Test(arguments: [
        [ScriptedAgent.Fault.refused, .refused, .garbage], [.pretended, .pretended, .hangUp],
        [.ignored, .mute],
    ])
    func `a thaw that fails is repeated`(faults: [ScriptedAgent.Fault]) throws {
        let agent = try ScriptedAgent {
            $0.frozen = 3
            $0.faults["guest-fsfreeze-thaw"] = faults
            $0.faults["guest-fsfreeze-status"] = faults
        }
        // It waits half the deadline for an answer, which has to do beside many other tests.
        _ = try GuardianProcess(GuardianRole.arguments("guardian"))
            .start(orders(agent, deadline: 6, linger: 60), timeoutSeconds: 60)
        #expect(eventually { !agent.isFrozen })
    }

    @Test func `an agent that is dead while frozen is told`() throws {
        let agent = try ScriptedAgent {
            $0.frozen = 3
            $0.isDead = true
        }
        let orders = orders(agent, deadline: 0.5, linger: 0.5)
        _ = try GuardianProcess(GuardianRole.arguments("guardian")).start(
            orders, timeoutSeconds: 60)
        #expect(eventually { !GuardianAlarm.all(in: folder.path).isEmpty })
        let alarm = try #require(GuardianAlarm.all(in: folder.path).first)
        #expect(alarm.machine == "web/1" && alarm.address == orders.guests[0].address)
        GuardianAlarm.remove(machine: "web/1", in: folder.path)
        #expect(GuardianAlarm.all(in: folder.path).isEmpty)
    }

    @Test func `no guardian means no freeze`() throws {
        let agent = try ScriptedAgent()
        var policy = ProtectionPolicy()
        policy.armsDeadMan = false
        let outcome = try QuiesceRunner(
            members: [(ScriptedMachine("web", agent: agent), policy)],
            guardian: GuardianProcess(["/bin/false"]), events: SilentSink(),
            cancellation: Cancellation()
        ).run()
        #expect(outcome.members[0].level == .crash)
        #expect(agent.state.withLock { !$0.log.contains("guest-fsfreeze-freeze") })
    }
}
