import LifeboatCore
import LifeboatFormat
import LifeboatSystem

/// Where this host saw each log end, kept in the state directory: what shows a rollback.
enum RememberedHeads {
    static func load(_ directories: LocalDirectories) -> [LogHead] {
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
        var merged: [Identifier: LogHead] = [:]
        for head in load(directories) + heads
        where head.sequence >= merged[head.incarnation]?.sequence ?? 0 {
            merged[head.incarnation] = head
        }
        let lines = merged.keys.sorted().compactMap { merged[$0] }.map {
            "\($0.incarnation.hex) \($0.sequence) \($0.digest.hex)\n"
        }
        try Files.writeAtomically(directories.headsFile, Array(lines.joined().utf8))
    }
}
