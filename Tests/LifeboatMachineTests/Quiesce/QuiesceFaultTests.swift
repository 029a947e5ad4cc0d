import LifeboatCore
import LifeboatMachine
import LifeboatSystem
import LifeboatTesting
import Testing

/// Whole runs with threads, sockets and short deadlines, and faults that a seed chooses.
@Suite struct QuiesceFaultTests {
    private static let commands = [
        "guest-info", "guest-exec", "guest-fsfreeze-status", "guest-fsfreeze-freeze",
        "guest-fsfreeze-freeze", "guest-fsfreeze-freeze", "guest-fsfreeze-thaw",
        "guest-fsfreeze-thaw", "guest-sync-delimited",
    ]
    private static let faults: [ScriptedAgent.Fault] = [
        .late(0.6), .slow(0.5), .ignored, .mute, .refused, .refusedButDone, .pretended, .garbage,
        .strange, .hangUp, .death,
    ]

    /// What does not hold after one run.
    private static func violations(seed: UInt64) throws -> [String] {
        var random = SeededGenerator(seed: seed)
        var agents: [ScriptedAgent] = []
        var members: [(machine: any ProtectedMachine, policy: ProtectionPolicy)] = []
        var machines: [ScriptedMachine] = []
        for index in 0..<Int.random(in: 1...3, using: &random) {
            var faults: [String: [ScriptedAgent.Fault]] = [:]
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                let command = commands.randomElement(using: &random) ?? ""
                let fault = Self.faults.randomElement(using: &random) ?? .ignored
                // A freeze that an agent only claims nobody can tell from a real one.
                if command.hasPrefix("guest-fsfreeze-"), fault == .pretended { continue }
                faults[command, default: []].append(fault)
            }
            let agent = try ScriptedAgent { [faults] in $0.faults = faults }
            var policy = ProtectionPolicy()
            policy.quiesce = [.require, .prefer, .prefer].randomElement(using: &random) ?? .prefer
            policy.freezeSeconds = 0.8
            policy.armsDeadMan = Bool.random(using: &random)
            let snapshots: [ScriptedMachine.Snapshot] = [
                .quick, .quick, .slow(0.3), .fails, .hangs(4),
            ]
            let snapshot = snapshots.randomElement(using: &random) ?? .quick
            let machine = ScriptedMachine("machine\(index)", agent: agent, snapshot: snapshot)
            agents.append(agent)
            machines.append(machine)
            members.append((machine, policy))
        }
        let sink = WarningSink()
        let outcome = try QuiesceRunner(
            members: members, guardian: nil, events: sink, cancellation: Cancellation()
        ).run()
        var found: [String] = []
        for (index, agent) in agents.enumerated() {
            let isMended = !agent.isFrozen
            let state = agent.state.withLock { $0 }
            let isArmed = state.isDeadManArmed
            if !isMended, state.isDead, isArmed {
                if !eventually({ !agent.isFrozen }) { found.append("the dead-man did nothing") }
            } else if !isMended, state.isDead {
                let warnings = sink.warnings.withLock { $0 }
                if !warnings.contains(where: { $0.contains("machine\(index)") }) {
                    found.append("machine\(index) is lost, and nobody says so")
                }
            } else if !isMended {
                found.append("machine\(index) stays frozen")
            }
            let wasFrozen = machines[index].state.withLock { $0.wasFrozen }
            if let level = outcome.members[index].level, level >= .filesystem, wasFrozen != true {
                found.append("machine\(index) is said to be \(level)")
            }
            if outcome.members[index].level == nil, outcome.members[index].failure == nil {
                found.append("machine\(index) has no outcome")
            }
        }
        return found.map { "seed \(seed): \($0)" }
    }

    @Test(arguments: TestSeeds.all)
    func `no fault keeps a guest frozen or an outcome dishonest`(seed: UInt64) {
        let found = Guarded<[String]>([])
        Threads.run(count: 12, name: "faults") { part in
            for round in 0..<2 {
                let number = seed * 1000 + UInt64(part * 2 + round)
                do {
                    let violations = try Self.violations(seed: number)
                    found.withLock { $0 += violations }
                } catch { found.withLock { $0.append("seed \(number): \(error)") } }
            }
        }
        #expect(found.withLock { $0 } == [])
    }
}
