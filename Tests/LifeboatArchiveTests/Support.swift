import LifeboatCodec
import LifeboatCore
import LifeboatFormat
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

    /// Opens it as the host called `host`, through `store` if one is given.
    func open(
        _ host: String = "host", store other: (any ObjectStore)? = nil, withRecovery: Bool = true
    ) throws(LifeboatError) -> Repository {
        try Repository.open(
            other ?? store, secret: secret, recovery: withRecovery ? recovery : nil,
            stateRoot: folder.file(host + "-state"), cacheRoot: folder.file(host + "-cache"))
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
        try WriteSession(
            repository, index: try Index.open(repository, log: try repository.readLog()),
            packBuffers: 3, isDryRun: false)
    }

    /// What this session stored so far, as an index.
    func indexSoFar() throws(LifeboatError) -> Index {
        try flush()
        return Index(runs: try stored.finish(), damaged: [])
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
