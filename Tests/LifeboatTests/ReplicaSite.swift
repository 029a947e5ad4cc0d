import LifeboatArchive
import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatProtocol
import LifeboatStore
import LifeboatSystem
import LifeboatTesting
import Testing

@testable import Lifeboat

/// A repository in memory that changes, with two writers and two keepers, and its replica.
final class ReplicaSite: @unchecked Sendable {
    let folder: TemporaryDirectory
    let source = MemoryStore(location: "source")
    let target = MemoryStore(location: "target")
    let recovery: RecoveryKey
    private(set) var writers: [Repository] = []
    private(set) var keepers: [Repository] = []
    /// What each point that was ever made holds.
    private(set) var contents: [Digest: [UInt8]] = [:]
    private var volumes: [Int: [UInt8]] = [:]

    init() throws {
        folder = try TemporaryDirectory()
        recovery = RecoveryKey.generate(repository: .random())
        let secret = WrappingSecret.keyFile(SecretBytes(randomBytes(32)))
        try Repository.create(
            in: source, recovery: recovery, chunkSize: 16384, secret: secret, keyLabel: "",
            minimumAge: 0)
        writers.append(try open("writer0", secret))
        writers.append(try open("writer1", try enrol(.writer)))
        for number in 0..<2 { keepers.append(try open("keeper\(number)", try enrol(.keeper))) }
    }

    func open(
        _ host: String, _ secret: WrappingSecret?, store: (any ObjectStore)? = nil,
        withRecovery: Bool = false
    ) throws(LifeboatError) -> Repository {
        try Repository.open(
            store ?? source, secret: secret, recovery: withRecovery ? recovery : nil,
            stateRoot: folder.file(host + "-state"), cacheRoot: folder.file(host + "-cache"))
    }

    private func enrol(_ role: Roster.Role) throws(LifeboatError) -> WrappingSecret {
        let secret = WrappingSecret.keyFile(SecretBytes(randomBytes(32)))
        let admin = try open("admin", nil, withRecovery: true)
        _ = try admin.enrol(
            role, domain: try admin.requireDomain().domain, label: "", secret: secret)
        return secret
    }

    // MARK: what happens at the source

    /// Changes the volume of a writer, and backs it up.
    @discardableResult
    func backUp(_ writer: Int, _ random: inout SeededGenerator) throws -> Digest {
        var bytes = volumes[writer] ?? random.bytes(6 * 16384)
        let chunk = Int(random.next() % 6) * 16384
        // What others have too, now and then.
        let seed = random.next() % 8
        var other = SeededGenerator(seed: seed)
        bytes.replaceSubrange(chunk..<chunk + 16384, with: other.bytes(16384))
        volumes[writer] = bytes
        let path = folder.file("volume\(writer)")
        try Files.writeAtomically(path, bytes)
        var options = BackupOptions(
            machine: "m\(writer)", sources: [.init(name: "disk", path: path)])
        options.usesFingerprints = false
        options.threads = 1
        let point = try #require(
            try Operations(on: writers[writer]).backup(options).point)
        contents[point] = bytes
        return point
    }

    func forget(_ keeper: Int, keepLast count: Int) throws {
        var policy = RetentionPolicy()
        policy.last = count
        _ = try Operations(on: keepers[keeper]).forget(
            ForgetOptions(.policy(policy, RetentionGrouping())))
    }

    func prune(_ keeper: Int) throws {
        _ = try Operations(on: keepers[keeper]).prune(PruneOptions())
    }

    /// One thing or another happens; what one keeper does to another may end a step.
    func happen(_ random: inout SeededGenerator) throws {
        switch random.next() % 8 {
        case 0: try forget(Int(random.next() % 2), keepLast: 1 + Int(random.next() % 2))
        case 1, 2: try prune(Int(random.next() % 2))
        default: try backUp(Int(random.next() % 2), &random)
        }
    }

    // MARK: the replica

    var record: ReplicaRecord {
        get throws {
            let directories = try open("sync", nil).directories
            return try ReplicaRecord.all(directories).first
                ?? ReplicaRecord(
                    name: "replica", location: "target",
                    rootKey: try open("admin", nil).configuration.rootKey)
        }
    }

    @discardableResult
    func sync(
        from source: (any ObjectStore)? = nil, to target: (any ObjectStore)? = nil,
        threads: Int = 1, _ change: (inout ReplicaSync.Options) -> Void = { _ in }
    ) throws -> ReplicaSync.Outcome {
        var options = ReplicaSync.Options()
        options.threads = threads
        change(&options)
        return try ReplicaSync(
            try open("sync", nil, store: source), to: target ?? self.target, try record,
            options: options, events: SilentSink(), cancellation: Cancellation()
        ).run()
    }

    /// The points that the replica shows to somebody who knows nothing but the recovery key.
    ///
    /// Expects that nothing is wrong with it, and that each point is what it was.
    @discardableResult
    func check(
        _ comment: Comment? = nil, sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> Set<Digest> {
        guard target.names.contains(ObjectNames.configuration(1).path) else { return [] }
        let reader = try open(
            "reader-" + Identifier.random().hex, nil, store: target, withRecovery: true)
        let log = try reader.readLog()
        #expect(log.problems.isEmpty, comment, sourceLocation: sourceLocation)
        let operations = Operations(on: reader)
        let points = Set(log.ledger.points.map(\.id))
        for point in points {
            let path = folder.file("restored-" + Identifier.random().hex)
            var options = RestoreOptions(point: point.hex, target: path)
            options.verifies = false
            options.threads = 1
            do {
                _ = try operations.restore(options)
                let bytes = try Files.readWhole(path, limit: 1 << 30)
                #expect(
                    bytes == contents[point], "\(comment.map(String.init(describing:)) ?? "")",
                    sourceLocation: sourceLocation)
                try Files.remove(path)
            } catch {
                Issue.record(
                    "point \(point.short): \(error) \(comment.map(String.init(describing:)) ?? "")",
                    sourceLocation: sourceLocation)
            }
        }
        return points
    }

    /// The points of the source.
    func points() throws -> Set<Digest> {
        Set(try open("reader", nil).readLog().ledger.points.map(\.id))
    }

    /// Expects that the replica shows what the source does.
    func expectAll(sourceLocation: SourceLocation = #_sourceLocation) throws {
        let shown = try check(sourceLocation: sourceLocation)
        let all = try points()
        #expect(shown == all, sourceLocation: sourceLocation)
    }

    /// Names of packs, runs and bodies in a store.
    static func objects(_ store: MemoryStore) -> Set<String> {
        store.names.filter { name in
            [ObjectNames.packsPrefix, ObjectNames.indexPrefix, ObjectNames.pointsPrefix]
                .contains { name.hasPrefix($0) }
        }
    }
}

/// A store whose every so many calls something else happens first.
final class BusyStore: ObjectStore {
    private let inner: any ObjectStore
    private let period: Int
    private let action: @Sendable () -> Void
    private let state = Guarded<(calls: Int, isActing: Bool)>((0, false))

    init(_ inner: any ObjectStore, every period: Int, _ action: @escaping @Sendable () -> Void) {
        self.inner = inner
        self.period = period
        self.action = action
    }

    private func step() {
        let isDue = state.withLock { state in
            guard !state.isActing else { return false }
            state.calls += 1
            guard state.calls.isMultiple(of: period) else { return false }
            state.isActing = true
            return true
        }
        guard isDue else { return }
        action()
        state.withLock { $0.isActing = false }
    }

    var location: String { inner.location }
    var capabilities: StoreCapabilities { inner.capabilities }

    func put(_ name: ObjectName, _ pieces: [UnsafeRawBufferPointer]) throws(LifeboatError) {
        step()
        try inner.put(name, pieces)
    }

    func get(_ name: ObjectName, limit: Int) throws(LifeboatError) -> [UInt8] {
        step()
        return try inner.get(name, limit: limit)
    }

    func read(
        _ name: ObjectName, at offset: UInt64, into target: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError) -> Int {
        step()
        return try inner.read(name, at: offset, into: target)
    }

    func size(_ name: ObjectName) throws(LifeboatError) -> UInt64? {
        step()
        return try inner.size(name)
    }

    func list(
        _ prefix: String, _ body: (ObjectName, UInt64) throws(LifeboatError) -> Void
    ) throws(LifeboatError) {
        step()
        try inner.list(prefix, body)
    }

    func delete(_ name: ObjectName) throws(LifeboatError) {
        step()
        try inner.delete(name)
    }
}
