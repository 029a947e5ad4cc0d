import LifeboatCore
import LifeboatStore
import LifeboatSystem

/// A repository as a spool has it: reads the outbox before the replica, and puts packs and bodies
/// into the outbox, as long as there is room.
final class SpoolStore: ObjectStore {
    private let spool: Spool
    private let used: Guarded<UInt64>
    private let limit: UInt64

    init(_ spool: Spool) throws(LifeboatError) {
        self.spool = spool
        used = Guarded(try spool.usedBytes())
        limit = spool.limit
    }

    /// Counts again what the outbox takes: other processes may have been at work.
    func recount() throws(LifeboatError) {
        let count = try spool.usedBytes()
        used.withLock { $0 = count }
    }

    var location: String { spool.path }
    var capabilities: StoreCapabilities { spool.outbox.capabilities }

    private static func isWritten(_ path: String) -> Bool {
        path.hasPrefix(ObjectNames.packsPrefix) || path.hasPrefix(ObjectNames.pointsPrefix)
    }

    /// Where an object is, if it is anywhere.
    private func place(_ name: ObjectName) throws(LifeboatError) -> DirectoryStore {
        guard Self.isWritten(name.path), try spool.outbox.size(name) != nil else {
            return spool.replica
        }
        return spool.outbox
    }

    func put(_ name: ObjectName, _ pieces: [UnsafeRawBufferPointer]) throws(LifeboatError) {
        guard Self.isWritten(name.path) else { throw refusal(name) }
        let count = UInt64(pieces.reduce(0) { $0 + $1.count })
        let isRoom = used.withLock { used in
            guard count <= limit, used <= limit - count else { return false }
            used += count
            return true
        }
        guard isRoom else { throw full }
        do throws(LifeboatError) {
            try spool.outbox.put(name, pieces)
        } catch {
            used.withLock { $0 -= count }
            throw error
        }
    }

    private var full: LifeboatError {
        LifeboatError(
            .full, "the spool may take \(ByteText.describe(limit)), and that is not enough",
            subject: spool.path,
            advice: "resume the link and send what waits: lifeboat spool send; or give it more room"
        )
    }

    private func refusal(_ name: ObjectName) -> LifeboatError {
        LifeboatError(
            .refused, "the repository cannot be reached, and a spool takes nothing but backups",
            subject: name.path)
    }

    func get(_ name: ObjectName, limit: Int) throws(LifeboatError) -> [UInt8] {
        try place(name).get(name, limit: limit)
    }

    func read(
        _ name: ObjectName, at offset: UInt64, into target: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError) -> Int {
        try place(name).read(name, at: offset, into: target)
    }

    func size(_ name: ObjectName) throws(LifeboatError) -> UInt64? {
        try place(name).size(name)
    }

    func list(
        _ prefix: String, _ body: (ObjectName, UInt64) throws(LifeboatError) -> Void
    ) throws(LifeboatError) {
        var sizes: [ObjectName: UInt64] = [:]
        try spool.replica.list(prefix) { name, size throws(LifeboatError) in sizes[name] = size }
        try spool.outbox.list(prefix) { name, size throws(LifeboatError) in
            if Self.isWritten(name.path) { sizes[name] = size }
        }
        for (name, size) in sizes.sorted(by: { $0.key < $1.key }) { try body(name, size) }
    }

    func delete(_ name: ObjectName) throws(LifeboatError) { throw refusal(name) }

    func replace(_ name: ObjectName, bytes: [UInt8]) throws(LifeboatError) { throw refusal(name) }

    func cleanTemporaries() throws(LifeboatError) -> Int { try spool.outbox.cleanTemporaries() }
}
