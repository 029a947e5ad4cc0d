import LifeboatCore
import LifeboatMachine
import LifeboatSystem

/// What guests and hypervisors say, and what a point keeps of a machine.
extension FuzzTarget {
    static let machines: [FuzzTarget] = [
        FuzzTarget(name: "definition", definition),
        FuzzTarget(name: "domain") { bytes throws(LifeboatError) in
            let text = String(decoding: bytes, as: UTF8.self)
            let domain = try DomainXML(parsing: text, subject: "fuzz")
            let again = try DomainXML(parsing: text, subject: "fuzz")
            precondition(again == domain, "a domain reads the same each time")
        },
        FuzzTarget(name: "agent", agent),
        FuzzTarget(name: "qmp", qmp),
    ]

    /// Once as it is, and once with right checksums: hardly any change would leave one.
    @Sendable private static func definition(_ bytes: [UInt8]) throws(LifeboatError) {
        var mended = bytes
        for start in stride(from: 0, to: bytes.count - 511, by: 512)
        where bytes[(start + 257)...].starts(with: "ustar".utf8) {
            mended.replaceSubrange(
                start + 148..<start + 156, with: [UInt8](repeating: 32, count: 8))
            let sum = mended[start..<start + 512].reduce(0) { $0 + Int($1) }
            let digits = Array(String(sum, radix: 8).utf8)
            mended.replaceSubrange(start + 148..<start + 148 + digits.count, with: digits)
        }
        for archive in [bytes, mended] {
            guard let definition = try? DefinitionArchive.decode(archive, subject: "fuzz") else {
                continue
            }
            let encoded = try? DefinitionArchive.encode(definition)
            let again = encoded.flatMap { try? DefinitionArchive.decode($0, subject: "fuzz") }
            precondition(again == definition, "a definition comes back as it was")
        }
    }

    /// An agent that answers with the lines of the input, one after the other and round again.
    private final class ScriptedAgent: AgentChannel {
        private let lines: [[UInt8]]
        private let next = Guarded(0)

        init(_ bytes: [UInt8]) {
            lines = bytes.split(separator: 0x0A, omittingEmptySubsequences: false).map(Array.init)
        }

        func command(_ command: JSON, timeoutSeconds: Double) throws(LifeboatError) -> JSON {
            let index = next.withLock { next in
                defer { next += 1 }
                return next % lines.count
            }
            return try JSON(parsing: lines[index], subject: "fuzz")
        }
    }

    @Sendable private static func agent(_ bytes: [UInt8]) throws(LifeboatError) {
        let agent = ScriptedAgent(bytes)
        let commands = AgentCommands(agent, subject: "fuzz")
        // Each begins at another line, whatever the ones before made of theirs.
        let system = try? commands.system(timeoutSeconds: 0)
        precondition(system.map { $0.name.count <= 200 } ?? true, "a name is cut short")
        _ = try? commands.isFrozen(timeoutSeconds: 0)
        let frozen = try? commands.freeze(mountPoints: [], timeoutSeconds: 0)
        let thawed = try? commands.thaw(timeoutSeconds: 0)
        for count in [frozen, thawed] {
            precondition((0...1_000_000).contains(count ?? 0), "a count is in bounds")
        }
        _ = try? commands.run(["program"], timeoutSeconds: 0)
        let value = try agent.command(.null, timeoutSeconds: 0)
        let again = try JSON(parsing: Array(value.serialized.utf8), subject: "fuzz")
        precondition(again.serialized == value.serialized, "a value comes back as it was")
    }

    /// Lines of a QMP socket that come in pieces; the first two replies tell of disks.
    @Sendable private static func qmp(_ bytes: [UInt8]) throws(LifeboatError) {
        let wire = QMPWire(path: "fuzz")
        let numbers = try wire.expect(2)
        var rest = bytes[...]
        var goesOn = true
        while goesOn, !rest.isEmpty {
            // Pieces of all lengths, which the input decides.
            let count = min(rest.count, 1 + Int(rest[rest.startIndex]) * 8)
            goesOn = wire.take(Array(rest.prefix(count)))
            rest = rest.dropFirst(count)
        }
        let blocks = try? wire.reply(numbers[0], to: "query-block", deadline: 0)
        let nodes = try? wire.reply(numbers[1], to: "query-named-block-nodes", deadline: 0)
        let disks = QEMUDisk.find(blocks: blocks ?? .null, nodes: nodes ?? .null)
        let names = disks.map(\.name)
        precondition(Set(names).count == names.count, "disks have different names")
    }
}
