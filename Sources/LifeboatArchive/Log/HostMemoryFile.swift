import LifeboatCore
import LifeboatFormat
import LifeboatProtocol
import LifeboatSystem

/// What this host remembers of the logs, in its state directory: where each log ended, which
/// shows a rollback, and, for each member, its own place in its own log.
enum HostMemoryFile {
    /// Where this host saw each log end.
    static func heads(_ directories: LocalDirectories) -> [LogHead] {
        guard let bytes = try? Files.readWhole(directories.headsFile, limit: 16 << 20) else {
            return []
        }
        var heads: [LogHead] = []
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
            let parts = line.split(separator: " ")
            guard parts.count == 3, let incarnation = Identifier(hex: parts[0]),
                let sequence = UInt64(parts[1]), let digest = Digest(hex: parts[2])
            else { continue }
            heads.append(.init(incarnation: incarnation, sequence: sequence, digest: digest))
        }
        return heads
    }

    /// Keeps the further of what was remembered and what is seen now.
    static func save(
        _ heads: [LogHead], _ directories: LocalDirectories
    ) throws(LifeboatError) {
        var memory = HostMemory()
        memory.note(Self.heads(directories))
        let before = memory.seen
        memory.note(heads)
        guard memory.seen != before else { return }
        let lines = memory.seen.map { "\($0.incarnation.hex) \($0.sequence) \($0.digest.hex)\n" }
        try Files.writeAtomically(directories.headsFile, Array(lines.joined().utf8))
    }

    private static let title = "lifeboat log memory 1"

    /// The memory of one member.
    static func load(
        _ directories: LocalDirectories, member: Identifier
    ) throws(LifeboatError) -> HostMemory {
        var memory = HostMemory()
        memory.seen = heads(directories)
        let path = directories.memoryFile(member)
        guard Files.exists(path) else { return memory }
        let text = String(decoding: try Files.readWhole(path, limit: 4096), as: UTF8.self)
        let lines = text.split(separator: "\n").map { $0.split(separator: " ") }
        guard text.hasPrefix(title + "\n"), lines.count >= 2, lines[1].count == 2,
            let number = UInt64(lines[1][1])
        else {
            throw LifeboatError(
                .damaged,
                "the file in which this host remembers its place in the log is unreadable",
                subject: path, advice: "remove it; the next backup begins a new log")
        }
        memory.number = number
        for line in lines.dropFirst(2) {
            if line.count == 3, line[0] == "head", let sequence = UInt64(line[1]),
                let digest = Digest(hex: line[2])
            {
                memory.head = LogHead(
                    incarnation: Incarnation.id(of: member, number: number), sequence: sequence,
                    digest: digest)
            } else if line.count == 2, line[0] == "pending" {
                memory.pending = Digest(hex: line[1])
            }
        }
        return memory
    }

    static func save(
        _ memory: HostMemory, member: Identifier, _ directories: LocalDirectories
    ) throws(LifeboatError) {
        var text = "\(title)\nincarnation \(memory.number)\n"
        if let head = memory.head { text += "head \(head.sequence) \(head.digest.hex)\n" }
        if let pending = memory.pending { text += "pending \(pending.hex)\n" }
        try Files.writeAtomically(directories.memoryFile(member), Array(text.utf8))
        try save(memory.seen, directories)
    }
}
