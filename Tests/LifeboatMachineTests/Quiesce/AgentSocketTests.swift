import LifeboatCore
import LifeboatMachine
import LifeboatSystem
import LifeboatTesting
import Testing

@Suite struct AgentSocketTests {
    @Test func `a guest is inspected, frozen and thawed`() throws {
        let agent = try ScriptedAgent()
        let socket = AgentSocket(path: agent.path)
        let system = try socket.system(timeoutSeconds: 10)
        #expect(system.identifier == "linux" && system.allowsCommands)
        #expect(system.agentVersion == "7.2.22" && system.name == "A Guest 1")
        #expect(try socket.freeze(mountPoints: [], timeoutSeconds: 10) == 3)
        #expect(try socket.isFrozen(timeoutSeconds: 10))
        #expect(try socket.thaw(timeoutSeconds: 10) == 3)
        #expect(try !socket.isFrozen(timeoutSeconds: 10))
        #expect(try socket.freeze(mountPoints: ["/srv"], timeoutSeconds: 10) == 1)
        #expect(socket.address == GuestAgentAddress(socket: agent.path))
    }

    @Test func `a command's output is decoded`() throws {
        let agent = try ScriptedAgent { $0.output = "some words\n" }
        let result = try AgentSocket(path: agent.path).run(["/bin/echo"], timeoutSeconds: 10)
        #expect(result.exitCode == 0)
        #expect(String(decoding: result.output, as: UTF8.self) == "some words\n")
    }

    @Test func `a guest that allows no commands says so`() throws {
        let agent = try ScriptedAgent { $0.allowsCommands = false }
        let socket = AgentSocket(path: agent.path)
        #expect(try !socket.system(timeoutSeconds: 10).allowsCommands)
        let error = #expect(throws: LifeboatError.self) {
            try socket.run(["/bin/true"], timeoutSeconds: 10)
        }
        #expect(error?.code == .denied)
    }

    @Test(
        arguments: [
            (ScriptedAgent.Fault.garbage, LifeboatError.Code.damaged), (.strange, .damaged),
            (.huge, .damaged), (.refused, .refused), (.hangUp, .unavailable),
            (.ignored, .unavailable), (.late(2), .unavailable), (.death, .unavailable),
        ])
    func `what is no answer is told apart`(fault: ScriptedAgent.Fault, code: LifeboatError.Code)
        throws
    {
        let agent = try ScriptedAgent { $0.faults["guest-fsfreeze-freeze"] = [fault] }
        let error = #expect(throws: LifeboatError.self) {
            try AgentSocket(path: agent.path).freeze(
                mountPoints: [], timeoutSeconds: [.ignored, .late(2)].contains(fault) ? 0.5 : 30)
        }
        #expect(error?.code == code)
    }

    @Test(arguments: [
        ScriptedAgent.Fault.garbage, .late(4), .ignored, .strange, .refused, .hangUp,
    ])
    func `a late or lost answer does not disturb the next command`(fault: ScriptedAgent.Fault)
        throws
    {
        let agent = try ScriptedAgent {
            $0.faults["guest-fsfreeze-freeze"] = [fault]
            $0.faults["guest-sync-delimited"] = [.late(0.01), .late(0.01)]
        }
        let socket = AgentSocket(path: agent.path)
        _ = try? socket.freeze(mountPoints: [], timeoutSeconds: 2)
        let count = try socket.thaw(timeoutSeconds: 10)
        #expect(count == (fault == .late(4) ? 3 : 0))
        #expect(try !socket.isFrozen(timeoutSeconds: 10))
    }

    @Test func `an agent that does not get in step is given up`() throws {
        let agent = try ScriptedAgent {
            $0.faults["guest-sync-delimited"] = [.garbage, .strange, .ignored]
        }
        let socket = AgentSocket(path: agent.path)
        for _ in 0..<3 {
            #expect(throws: LifeboatError(.unavailable, "", subject: agent.path)) {
                try socket.isFrozen(timeoutSeconds: 0.2)
            }
        }
        #expect(try !socket.isFrozen(timeoutSeconds: 10))
    }

    @Test func `commands of many threads come one after the other`() throws {
        let agent = try ScriptedAgent()
        let socket = AgentSocket(path: agent.path)
        let answers = Guarded(0)
        Threads.run(count: 8, name: "client") { _ in
            for _ in 0..<5 where (try? socket.isFrozen(timeoutSeconds: 30)) == false {
                answers.withLock { $0 += 1 }
            }
        }
        #expect(answers.withLock { $0 } == 40)
    }

    @Test func `no socket and a long name are told`() throws {
        let folder = try TemporaryDirectory()
        let missing = #expect(throws: LifeboatError.self) {
            try AgentSocket(path: folder.file("none")).isFrozen(timeoutSeconds: 1)
        }
        #expect(missing?.code == .missing)
        let long = folder.file(String(repeating: "x", count: 120))
        #expect(throws: LifeboatError(.refused, "", subject: long)) {
            try AgentSocket(path: long).isFrozen(timeoutSeconds: 1)
        }
    }
}
