import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatStore
import LifeboatTesting
import Synchronization
import Testing

@testable import LifeboatArchive

/// Changes of configuration and roster that meet each other.
@Suite struct RoleRaceTests {
    private let test: TestRepository

    init() throws { test = try TestRepository() }

    private func open(
        _ recovery: RecoveryKey, store: (any ObjectStore)? = nil
    ) throws(LifeboatError) -> Repository {
        try Repository.open(
            store ?? test.store, secret: nil, recovery: recovery,
            stateRoot: test.folder.file("state"), cacheRoot: test.folder.file("cache"))
    }

    private static func enrol(_ repository: Repository) throws(LifeboatError) {
        _ = try repository.enrol(
            .writer, domain: try repository.requireDomain().domain, label: "",
            secret: .keyFile(SecretBytes(randomBytes(32))))
    }

    private func newKey() -> RecoveryKey { .generate(repository: test.recovery.repository) }

    @Test func `an enrolment just before the put of a rotation counts`() throws {
        let other = try open(test.recovery)
        let store = MeddlingStore(test.store, before: ObjectNames.configuration(2)) {
            try? Self.enrol(other)
        }
        let new = newKey()
        let rotated = try open(test.recovery, store: store).rotate(to: new)
        #expect(rotated.roster.members.count == 2)
        #expect(rotated.configuration.number == 3)
        #expect(rotated.configuration.rosterNumber == 2)
        let again = try open(new)
        #expect(again.roster == rotated.roster)
        try Self.enrol(again)
        #expect(try open(new).roster.members.count == 3)
    }

    @Test func `a rotation just before the put of an enrolment is told`() throws {
        let (other, new) = (try open(test.recovery), newKey())
        let store = MeddlingStore(test.store, before: ObjectNames.roster(2)) {
            _ = try? other.rotate(to: new)
        }
        let repository = try open(test.recovery, store: store)
        #expect(
            code { () throws(LifeboatError) in try Self.enrol(repository) } == .refused)
    }

    @Test func `of two rotations at the same moment one wins, and the other says so`() throws {
        let other = try open(test.recovery)
        let (winner, loser) = (newKey(), newKey())
        let store = MeddlingStore(test.store, before: ObjectNames.configuration(2)) {
            _ = try? other.rotate(to: winner)
        }
        let repository = try open(test.recovery, store: store)
        #expect(
            code { () throws(LifeboatError) in _ = try repository.rotate(to: loser) } == .wrongKey)
        #expect(try open(winner).configuration.number == 2)
        #expect(code { () throws(LifeboatError) in _ = try open(loser) } == .refused)
    }

    @Test func `two new domains at the same moment both come`() throws {
        let other = try open(test.recovery)
        let store = MeddlingStore(test.store, before: ObjectNames.configuration(2)) {
            _ = try? other.addDomain()
        }
        let (grown, domain) = try open(test.recovery, store: store).addDomain()
        #expect(grown.configuration.domains.count == 3)
        #expect(grown.domains[domain] != nil)
    }
}

/// Does something the first time that a certain object is put, right before.
private final class MeddlingStore: ObjectStore {
    private let inner: any ObjectStore
    private let name: ObjectName
    private let meddle: @Sendable () -> Void
    private let isDone = Mutex(false)

    init(
        _ inner: any ObjectStore, before name: ObjectName, _ meddle: @escaping @Sendable () -> Void
    ) {
        self.inner = inner
        self.name = name
        self.meddle = meddle
    }

    var location: String { inner.location }
    var capabilities: StoreCapabilities { inner.capabilities }

    func put(_ name: ObjectName, _ pieces: [UnsafeRawBufferPointer]) throws(LifeboatError) {
        let isFirst = isDone.withLock { isDone in
            defer { if name == self.name { isDone = true } }
            return !isDone && name == self.name
        }
        if isFirst { meddle() }
        try inner.put(name, pieces)
    }

    func get(_ name: ObjectName, limit: Int) throws(LifeboatError) -> [UInt8] {
        try inner.get(name, limit: limit)
    }

    func read(
        _ name: ObjectName, at offset: UInt64, into target: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError) -> Int {
        try inner.read(name, at: offset, into: target)
    }

    func size(_ name: ObjectName) throws(LifeboatError) -> UInt64? { try inner.size(name) }

    func list(
        _ prefix: String, _ body: (ObjectName, UInt64) throws(LifeboatError) -> Void
    ) throws(LifeboatError) {
        try inner.list(prefix, body)
    }

    func delete(_ name: ObjectName) throws(LifeboatError) { try inner.delete(name) }
}
