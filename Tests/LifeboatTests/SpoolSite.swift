import Foundation
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

/// A repository in memory, a host with a spool, another host, and keepers.
final class SpoolSite {
    let folder: TemporaryDirectory
    let memory = MemoryStore(location: "source")
    /// What everybody uses: it counts puts.
    let source: PutLog
    let recovery: RecoveryKey
    let secret: WrappingSecret
    let host: Repository
    let other: Repository
    let keepers: [Repository]
    private let keeperSecret: WrappingSecret
    let spool: Spool
    /// What each point holds, by the id that it has where it is.
    var contents: [Digest: [UInt8]] = [:]
    private var volume: [UInt8]
    private(set) var generator: SeededGenerator

    static let chunkSize = 16384
    /// Four leaves of a block map.
    static let chunkCount = 128

    init(seed: UInt64, limit: UInt64 = 1 << 30) throws {
        generator = SeededGenerator(seed: seed)
        volume = generator.bytes(Self.chunkCount * Self.chunkSize)
        folder = try TemporaryDirectory()
        source = PutLog(memory)
        recovery = RecoveryKey.generate(repository: .random())
        secret = WrappingSecret.keyFile(SecretBytes(randomBytes(32)))
        try Repository.create(
            in: source, recovery: recovery, chunkSize: Self.chunkSize, secret: secret, keyLabel: "",
            minimumAge: 0)
        spool = Spool(path: folder.file("spool"), limit: limit)
        let opener = Opener(folder: folder, source: source, recovery: recovery)
        host = try opener.open("host", secret)
        other = try opener.open("other", try opener.enrol(.writer))
        keeperSecret = try opener.enrol(.keeper)
        keepers = [
            try opener.open("keeper0", keeperSecret),
            try opener.open("keeper1", try opener.enrol(.keeper)),
        ]
    }

    struct Opener {
        let folder: TemporaryDirectory
        let source: any ObjectStore
        let recovery: RecoveryKey

        func open(
            _ host: String, _ secret: WrappingSecret?, store: (any ObjectStore)? = nil,
            withRecovery: Bool = false
        ) throws(LifeboatError) -> Repository {
            try Repository.open(
                store ?? source, secret: secret, recovery: withRecovery ? recovery : nil,
                stateRoot: folder.file(host + "-state"), cacheRoot: folder.file(host + "-cache"))
        }

        func enrol(_ role: Roster.Role) throws(LifeboatError) -> WrappingSecret {
            let secret = WrappingSecret.keyFile(SecretBytes(randomBytes(32)))
            let admin = try open("admin", nil, withRecovery: true)
            _ = try admin.enrol(
                role, domain: try admin.requireDomain().domain, label: "", secret: secret)
            return secret
        }
    }

    var opener: Opener { Opener(folder: folder, source: source, recovery: recovery) }

    /// The host's way to the repository, through a store that may fail.
    func host(through store: any ObjectStore) throws(LifeboatError) -> Repository {
        try opener.open("host", secret, store: store)
    }

    /// The repository in the spool.
    func spooled(limit: UInt64? = nil) throws(LifeboatError) -> Repository {
        let place = limit.map { Spool(path: spool.path, limit: $0) } ?? spool
        return try place.open(
            location: "source", secret: secret, recovery: nil, stateRoot: folder.file("host-state"),
            cacheRoot: folder.file("host-cache"))
    }

    // MARK: what happens

    /// Changes some chunks of the host's volume.
    func change(_ count: Int = 3, in chunks: Range<Int> = 0..<chunkCount) {
        for _ in 0..<count {
            let chunk = chunks.lowerBound + Int(generator.next() % UInt64(chunks.count))
            let start = chunk * Self.chunkSize
            volume.replaceSubrange(
                start..<start + Self.chunkSize, with: generator.bytes(Self.chunkSize))
        }
    }

    @discardableResult
    func backUp(
        _ repository: Repository, machine: String = "web", bytes: [UInt8]? = nil
    ) throws -> BackupResult {
        let bytes = bytes ?? volume
        let path = folder.file("volume-" + machine)
        try Files.writeAtomically(path, bytes)
        var options = BackupOptions(machine: machine, sources: [.init(name: "disk", path: path)])
        options.threads = 1
        let result = try Operations(on: repository).backup(options)
        contents[try #require(result.point)] = bytes
        return result
    }

    /// A backup to the store, after which the spool is ready.
    @discardableResult
    func backUpAndPrepare() throws -> Digest {
        let result = try backUp(host)
        try Operations(on: host).prepare(spool, host)
        return try #require(result.point)
    }

    /// Points in the spool, each after a change.
    @discardableResult
    func backUpToSpool(
        _ count: Int = 1, in chunks: Range<Int> = 0..<chunkCount
    ) throws -> [Digest] {
        try (0..<count).map { _ in
            change(in: chunks)
            let result = try backUp(try spooled())
            #expect(result.place == .local)
            return try #require(result.point)
        }
    }

    @discardableResult
    func send(through store: (any ObjectStore)? = nil) throws -> SpoolSender.Outcome {
        let lock = try spool.lock()
        defer { withExtendedLifetime(lock) {} }
        let repository = try store.map { try host(through: $0) } ?? host.refreshed()
        let outcome = try SpoolSender(
            repository, spool, events: SilentSink(), cancellation: Cancellation()
        ).run()
        return outcome
    }

    func drop(_ point: String?) throws(LifeboatError) -> Int {
        let lock = try spool.lock()
        defer { withExtendedLifetime(lock) {} }
        return try spool.drop(point).count
    }

    func prune(_ keeper: Int, steps: Int = 1) throws {
        for _ in 0..<steps {
            var options = PruneOptions()
            options.maximumUnused = 0
            _ = try Operations(on: keepers[keeper]).prune(options)
        }
    }

    /// A keeper begins to fence a log, and dies before it says where that ends.
    func announceFence(of incarnation: Identifier) throws {
        let store = FaultStore(source)
        let entries = Guarded(0)
        source.beforePut { name in
            guard name.hasPrefix(ObjectNames.logPrefix) else { return }
            entries.withLock { $0 += 1 }
            if entries.withLock({ $0 }) == 1 { store.follow(.gone(after: 0, .unavailable)) }
        }
        let keeper = try opener.open("keeper0", keeperSecret, store: store)
        #expect(throws: LifeboatError.self) { try keeper.fence([incarnation]) }
        source.beforePut(nil)
        #expect(try catalog().points.contains { $0.record.isInDoubt })
    }

    // MARK: what there is

    /// The points of the repository, as somebody sees them who knows the recovery key alone.
    func catalog() throws -> PointCatalog {
        let reader = try opener.open("reader-" + Identifier.random().hex, nil, withRecovery: true)
        let log = try reader.readLog()
        #expect(log.problems.isEmpty)
        return try PointCatalog(reader, log: log)
    }

    /// Expects that the host's points restore to exactly these contents, in this order.
    func expect(_ expected: [[UInt8]], machine: String = "web", _ comment: Comment? = nil) throws {
        let reader = try opener.open("reader-" + Identifier.random().hex, nil, withRecovery: true)
        let log = try reader.readLog()
        #expect(log.problems.isEmpty, comment)
        let points = try PointCatalog(reader, log: log).points.filter {
            $0.body.machine == machine
        }
        #expect(points.count == expected.count, comment)
        for (point, bytes) in zip(points, expected) {
            let path = folder.file("restored-" + Identifier.random().hex)
            var options = RestoreOptions(point: point.id.hex, target: path)
            options.verifies = false
            options.threads = 1
            do {
                _ = try Operations(on: reader).restore(options)
                // Telling what differs would take for ever.
                let isRight = try Files.readWhole(path, limit: 1 << 30) == bytes
                #expect(isRight, comment)
                try Files.remove(path)
            } catch {
                Issue.record("point \(point.id.short): \(error)")
            }
        }
    }

    /// Packs that were put more than once.
    var packsPutTwice: [String] {
        source.counts.filter { $0.key.hasPrefix(ObjectNames.packsPrefix) && $0.value > 1 }
            .map(\.key)
    }

    /// Packs and bodies in the outbox.
    func outbox() throws -> [String] {
        var names: [String] = []
        try DirectoryStore(path: spool.path + "/outbox").list("") { name, _ throws(LifeboatError) in
            names.append(name.path)
        }
        return names
    }
}

extension SpoolSite {
    /// A volume that has nothing in common with the others.
    static let unrelated: [UInt8] = {
        var generator = SeededGenerator(seed: 77)
        return generator.bytes(chunkCount * chunkSize)
    }()
}

/// A store that counts how often each name was put with success.
final class PutLog: ObjectStore {
    private let inner: any ObjectStore
    private let log = Guarded<[String: Int]>([:])
    private let hook = Guarded<(@Sendable (String) -> Void)?>(nil)

    init(_ inner: any ObjectStore) { self.inner = inner }

    var counts: [String: Int] { log.withLock { $0 } }

    /// Called with each name that is about to be put.
    func beforePut(_ body: (@Sendable (String) -> Void)?) { hook.withLock { $0 = body } }

    var location: String { inner.location }
    var capabilities: StoreCapabilities { inner.capabilities }

    func put(_ name: ObjectName, _ pieces: [UnsafeRawBufferPointer]) throws(LifeboatError) {
        hook.withLock { $0 }?(name.path)
        log.withLock { $0[name.path, default: 0] += 1 }
        try inner.put(name, pieces)
    }

    func get(_ name: ObjectName, limit: Int) throws(LifeboatError) -> [UInt8] {
        try inner.get(name, limit: limit)
    }

    func read(
        _ name: ObjectName, at offset: UInt64, into target: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError) -> Int { try inner.read(name, at: offset, into: target) }

    func size(_ name: ObjectName) throws(LifeboatError) -> UInt64? { try inner.size(name) }

    func list(
        _ prefix: String, _ body: (ObjectName, UInt64) throws(LifeboatError) -> Void
    ) throws(LifeboatError) { try inner.list(prefix, body) }

    func delete(_ name: ObjectName) throws(LifeboatError) { try inner.delete(name) }
}
