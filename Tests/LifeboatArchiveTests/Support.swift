import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatProtocol
import LifeboatStore
import LifeboatTesting

@testable import LifeboatArchive

/// The code of the error that `body` throws; `nil` when it throws none.
func code(_ body: () throws(LifeboatError) -> Void) -> LifeboatError.Code? {
    do throws(LifeboatError) {
        try body()
        return nil
    } catch {
        return error.code
    }
}

extension SeededGenerator {
    mutating func digest() -> Digest { Digest(next(), next(), next(), next()) }

    mutating func below(_ limit: Int) -> Int { Int.random(in: 0..<limit, using: &self) }
}

/// A repository in memory, with directories that go with it.
final class TestRepository: Sendable {
    let store = MemoryStore()
    let folder: TemporaryDirectory
    let recovery = RecoveryKey.generate(repository: .random())
    let secret = WrappingSecret.keyFile(SecretBytes(randomBytes(32)))

    init() throws(LifeboatError) {
        folder = try TemporaryDirectory()
        try Repository.create(
            in: store, recovery: recovery, chunkSize: 65536, secret: secret, keyLabel: "test")
    }

    /// Opens it as the host called `host`, through `store` if one is given, as the first writer if
    /// no other secret is given.
    func open(
        _ host: String = "host", store other: (any ObjectStore)? = nil,
        secret otherSecret: WrappingSecret? = nil, withRecovery: Bool = true
    ) throws(LifeboatError) -> Repository {
        try Repository.open(
            other ?? store, secret: otherSecret ?? secret,
            recovery: withRecovery ? recovery : nil, stateRoot: folder.file(host + "-state"),
            cacheRoot: folder.file(host + "-cache"))
    }

    /// Enrols a member and returns what opens its key slot.
    func enrol(_ role: Roster.Role) throws(LifeboatError) -> WrappingSecret {
        let secret = WrappingSecret.keyFile(SecretBytes(randomBytes(32)))
        let repository = try open("admin")
        _ = try repository.enrol(
            role, domain: try repository.requireDomain().domain, label: "", secret: secret)
        return secret
    }

    /// Adds points without content to the log of `host`, each by a session of its own.
    @discardableResult
    func append(
        _ count: Int = 1, _ host: String = "host", store: (any ObjectStore)? = nil,
        secret: WrappingSecret? = nil, body: PointBody? = nil
    ) throws(LifeboatError) -> [VerifiedEntry] {
        var result: [VerifiedEntry] = []
        for _ in 0..<count {
            let repository = try open(host, store: store, secret: secret)
            let writer = try repository.requireWriter()
            let session = try OpenSession(repository, writer)
            // What a process leaves when it dies.
            defer { session.journal.release() }
            let sealed = PointSealing.seal(
                body ?? LifeboatArchiveTests.body(machine: host),
                domain: try repository.requireDomain(), member: writer.writer)
            let digest = SHA256Hash.digest(sealed)
            try repository.store.put(ObjectNames.pointBody(digest), bytes: sealed)
            result.append(try session.commit { $0.body = digest })
            try session.journal.remove()
        }
        return result
    }

    /// What a host that has never seen the repository reads.
    func readFresh() throws(LifeboatError) -> LogView {
        try open("reader-" + Identifier.random().hex).readLog()
    }

    /// Where an entry is.
    func name(_ head: LogHead) -> ObjectName {
        ObjectNames.logEntry(head.incarnation, head.sequence)
    }
}

extension Index {
    /// An index of runs all of whose packs are named and condemned by nobody.
    convenience init(trusting runs: [IndexRun], damaged: Set<Digest> = []) throws(LifeboatError) {
        let member = Roster.Member(
            id: Identifier(1, 0), role: .writer, publicKey: [], domain: Identifier(2, 0))
        var entry = LogEntry(
            repository: Identifier(3, 0), member: member.id,
            incarnation: Incarnation.id(of: member.id, number: 1), sequence: 1, previous: .zero,
            domain: member.domain, time: 1)
        for run in runs { entry.packs += try run.packs() }
        entry.runs = runs.map(\.name)
        let ledger = Ledger(
            nil, entries: [entry.incarnation: [VerifiedEntry(id: .zero, entry: entry)]],
            roster: Roster(
                repository: entry.repository, number: 1, previous: .zero, members: [member]))
        try self.init(runs: runs, ledger: ledger, damaged: damaged)
    }
}

/// Nodes in memory, named as a session names them.
final class MemorySink: NodeSink {
    private let hasher: KeyedHasher
    private(set) var nodes: [Digest: [UInt8]] = [:]
    /// How often a node came, also one that is there.
    private(set) var calls = 0

    init(_ repository: Repository) throws(LifeboatError) {
        hasher = try repository.requireDomain().nodeHasher()
    }

    func store(_ node: [UInt8], again: Bool) throws(LifeboatError) -> Digest {
        calls += 1
        let id = node.withUnsafeBytes { hasher.digest($0) }
        nodes[id] = node
        return id
    }

    func isLost(_ id: Digest) -> Bool { false }
}

/// Passes nodes on to a session and counts them.
final class CountingSink: NodeSink {
    private let session: WriteSession
    private(set) var calls = 0

    init(_ session: WriteSession) { self.session = session }

    func store(_ node: [UInt8], again: Bool) throws(LifeboatError) -> Digest {
        calls += 1
        return try session.store(node, again: again)
    }

    func isLost(_ id: Digest) -> Bool { session.isLost(id) }
}

extension WriteSession {
    /// A session over nothing stored yet.
    static func fresh(_ repository: Repository) throws(LifeboatError) -> WriteSession {
        let opening = try SessionOpening(repository)
        do throws(LifeboatError) {
            return try WriteSession(
                repository, opening, index: try Index.open(repository, ledger: opening.ledger),
                packBuffers: 3)
        } catch {
            opening.end()
            throw error
        }
    }

    /// What this session stored so far, as an index.
    func indexSoFar() throws(LifeboatError) -> Index {
        try flush()
        return try Index(trusting: try stored.finish())
    }

    /// Stores chunks in one frame and returns their ids.
    func store(chunks: [[UInt8]]) throws(LifeboatError) -> [Digest] {
        let hasher = domain.chunkHasher()
        let encoder = FrameEncoder(level: 3, frameByteCount: PackLayout.frameByteLimit)
        var plain: [UInt8] = []
        var slots: [PackDirectory.Slot] = []
        var ids: [Digest] = []
        for chunk in chunks {
            let id = chunk.withUnsafeBytes { hasher.digest($0) }
            ids.append(id)
            guard try !knows(id) else { continue }
            expect(id)
            slots.append(.init(id: id, length: UInt32(chunk.count)))
            plain += chunk
        }
        guard !slots.isEmpty else { return ids }
        try plain.withBytes { raw throws(LifeboatError) in
            _ = try store(raw, slots: slots, encoder: encoder)
        }
        return ids
    }
}

/// A point's body with one volume.
func body(
    machine: String = "alpha", volume: String = "disk", size: UInt64 = 0,
    root: BlockMapRoot = .zero, ended: UInt64 = 2
) -> PointBody {
    PointBody(
        machine: machine, host: "host", begun: 1, ended: ended, consistency: .crash,
        parent: .zero, tags: [:],
        volumes: [
            .init(
                name: volume, size: size, root: root.id, levels: root.levels, consistency: .crash,
                method: "full", bytesRead: 0, bytesNew: 0, bytesStored: 0, bytesZero: 0,
                bytesUnchanged: 0, warnings: [])
        ], program: "test")
}
