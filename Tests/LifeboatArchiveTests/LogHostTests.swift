import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatProtocol
import LifeboatStore
import LifeboatSystem
import LifeboatTesting
import Testing

@testable import LifeboatArchive

/// What state directories that were lost, copied or set back, and replies that were lost, can do
/// to a host's own log.
@Suite struct LogHostTests {
    private let test: TestRepository

    init() throws { test = try TestRepository() }

    private func memoryFile(_ host: String) throws -> String {
        let repository = try test.open(host)
        return repository.directories.memoryFile(try repository.requireMember().writer)
    }

    /// What `host` remembers of the logs.
    private func remembered(_ host: String) throws -> [String: [UInt8]] {
        let path = try memoryFile(host)
        let heads = try test.open(host).directories.headsFile
        return [
            "log": try Files.readWhole(path, limit: 1 << 20),
            "heads": try Files.readWhole(heads, limit: 1 << 20),
        ]
    }

    private func put(_ files: [String: [UInt8]], _ host: String) throws {
        try Files.writeAtomically(try memoryFile(host), files["log"] ?? [])
        try Files.writeAtomically(try test.open(host).directories.headsFile, files["heads"] ?? [])
    }

    /// Expects exactly these points, and nothing wrong.
    private func expect(
        _ entries: [VerifiedEntry], sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let log = try test.readFresh()
        #expect(log.problems.isEmpty, sourceLocation: sourceLocation)
        #expect(
            Set(log.ledger.points.map(\.id)) == Set(entries.map(\.id)),
            sourceLocation: sourceLocation)
    }

    private func numbers(_ entries: [VerifiedEntry]) -> [UInt64?] {
        entries.map { Incarnation.number(of: $0.entry.incarnation, member: $0.entry.member) }
    }

    @Test func `processes of one host take turns from the first entry on`() throws {
        let results = Guarded<[LifeboatError.Code?]>([])
        Threads.run(count: 4, name: "append") { _ in
            let result = code { () throws(LifeboatError) in try test.append(5, "fresh") }
            results.withLock { $0.append(result) }
        }
        #expect(results.withLock { $0 } == [nil, nil, nil, nil])
        let log = try test.readFresh()
        #expect(log.problems.isEmpty)
        #expect(log.ledger.points.count == 20)
        #expect(log.recent.count == 1)
        #expect(log.ledger.logs.values.flatMap(\.sessions).isEmpty)
    }

    @Test func `a host without its state directory begins a new incarnation`() throws {
        var entries = try test.append(2)
        try Files.remove(try memoryFile("host"))
        entries += try test.append(2)
        #expect(numbers(entries) == [1, 1, 2, 2])
        try expect(entries)
    }

    @Test func `a copied state directory becomes a new incarnation`() throws {
        var entries = try test.append(2)
        let copy = try remembered("host")
        entries += try test.append(1)
        try put(copy, "copy")
        entries += try test.append(2, "copy")
        entries += try test.append(1)
        #expect(numbers(entries) == [1, 1, 1, 2, 2, 1])
        try expect(entries)
    }

    @Test func `a state directory that was set back becomes a new incarnation`() throws {
        var entries = try test.append(2)
        let old = try remembered("host")
        entries += try test.append(2)
        try put(old, "host")
        entries += try test.append(1)
        try put(old, "host")
        entries += try test.append(1)
        #expect(numbers(entries) == [1, 1, 1, 1, 2, 3])
        try expect(entries)
    }

    @Test(arguments: ["opening", "commit"])
    func `copies that write at the same time lose no point`(when: String) throws {
        var entries = try test.append(1)
        try put(try remembered("host"), "copy")
        // The copy writes when the host has read all logs and is about to put its entry.
        let entered = Guarded<[VerifiedEntry]>([])
        let store = InterruptedStore(test.store, before: when == "opening" ? 1 : 2) {
            let more = (try? test.append(1, "copy")) ?? []
            entered.withLock { $0 = more }
        }
        do {
            // What began in time counts, and what comes second begins a log of its own.
            entries += try test.append(1, store: store)
        } catch {
            #expect(error.code == .refused)
        }
        let more = entered.withLock { $0 }
        #expect(more.count == 1)
        entries += more
        entries += try test.append(1)
        entries += try test.append(1, "copy")
        #expect(Set(numbers(entries)) == [1, 2])
        try expect(entries)
    }

    @Test(arguments: [
        FaultStore.Fault.fail(.unavailable), .lostReply(.unavailable),
    ]) func `a put whose reply is lost is found or made again`(fault: FaultStore.Fault) throws {
        var entries = try test.append(1)
        // The opening entry, the body, and the entry that closes.
        for put in [1, 3] {
            let store = FaultStore(test.store, plan: .scripted([.put: [put: fault]]))
            entries += try test.append(1, store: store)
            #expect(store.faultCount == 1)
        }
        #expect(numbers(entries) == [1, 1, 1])
        #expect(entries.map(\.entry.sequence) == [2, 4, 6])
        try expect(entries)
    }

    @Test func `a store that stays away is told`() throws {
        var entries = try test.append(1)
        let faults = Dictionary(
            uniqueKeysWithValues: (1...100).map { ($0, FaultStore.Fault.fail(.unavailable)) })
        let store = FaultStore(test.store, plan: .scripted([.put: faults]))
        let result = code { () throws(LifeboatError) in try test.append(1, store: store) }
        #expect(result == .unavailable)
        #expect(store.count(.put) < 20)
        entries += try test.append(1)
        #expect(numbers(entries) == [1, 1])
        try expect(entries)
    }

    @Test(arguments: [1, 3]) func `a host that dies after a put finds its entry again`(
        put: Int
    ) throws {
        let before = try test.append(1)
        // The put has its effect, and the error ends the run before it is remembered.
        let store = FaultStore(test.store, plan: .scripted([.put: [put: .lostReply(.full)]]))
        let result = code { () throws(LifeboatError) in try test.append(1, store: store) }
        #expect(result == .full)
        let after = try test.append(1)
        #expect(numbers(before + after) == [1, 1])
        let log = try test.readFresh()
        #expect(log.problems.isEmpty)
        #expect(log.ledger.points.count == (put == 3 ? 3 : 2))
        #expect(after[0].entry.sequence == (put == 3 ? 6 : 5))
        // The dead session is closed by the one after it.
        #expect(log.ledger.logs.values.flatMap(\.sessions).isEmpty)
    }

    @Test func `a host that dies before a put goes on with its log`() throws {
        let before = try test.append(1)
        let store = FaultStore(test.store, plan: .scripted([.put: [1: .fail(.full)]]))
        #expect(code { () throws(LifeboatError) in try test.append(1, store: store) } == .full)
        let after = try test.append(1)
        #expect(numbers(before + after) == [1, 1])
        #expect(after[0].entry.sequence == 4)
        try expect(before + after)
    }

    @Test func `a fenced host's entry does not count, and it begins a new log`() throws {
        let before = try test.append(1)
        let secret = try test.enrol(.keeper)
        let keeper = try test.open("keeper", secret: secret)
        let repository = try test.open()
        let session = try OpenSession(repository, try repository.requireMember())
        let ends = try keeper.fence([before[0].entry.incarnation])
        #expect(ends.map(\.sequence) == [3])
        let result = code { () throws(LifeboatError) in
            _ = try session.commit { $0.body = Digest(1, 2, 3, 4) }
        }
        #expect(result == .refused)
        session.journal.release()
        try expect(before)
        let after = try test.append(1)
        #expect(numbers(before + after) == [1, 2])
        try expect(before + after)
    }

    @Test(arguments: [true, false])
    func `a damaged end of a host's own log begins a new incarnation`(isRemembered: Bool) throws {
        let before = try test.append(2)
        let end = test.name(before[1].head)
        test.store.tamper(end) { $0[$0.count / 2] ^= 1 }
        if !isRemembered { try Files.remove(try test.open("host").directories.headsFile) }
        let after = try test.append(2)
        #expect(numbers(after) == [2, 2])
        let log = try test.readFresh()
        #expect(Set(log.ledger.points.map(\.id)) == Set(([before[0]] + after).map(\.id)))
        #expect(log.problems.contains { $0.subject == end.path })
    }

    @Test func `a memory file that cannot be read is told, not overwritten`() throws {
        try test.append(1)
        let path = try memoryFile("host")
        for text in ["", "lifeboat log memory 9\nincarnation 1\n", "lifeboat log memory 1\n"] {
            try Files.writeAtomically(path, Array(text.utf8))
            #expect(code { () throws(LifeboatError) in try test.append(1) } == .damaged)
            #expect(try Files.readWhole(path, limit: 100) == Array(text.utf8))
        }
    }
}

/// Calls a closure before the n-th log entry is put.
private final class InterruptedStore: ObjectStore, @unchecked Sendable {
    private let inner: any ObjectStore
    private let left: Guarded<Int>
    private let body: @Sendable () -> Void

    init(_ inner: any ObjectStore, before number: Int, _ body: @escaping @Sendable () -> Void) {
        self.inner = inner
        left = Guarded(number)
        self.body = body
    }

    var location: String { inner.location }
    var capabilities: StoreCapabilities { inner.capabilities }

    func put(_ name: ObjectName, _ pieces: [UnsafeRawBufferPointer]) throws(LifeboatError) {
        if name.path.hasPrefix(ObjectNames.logPrefix) {
            let isNow = left.withLock { left -> Bool in
                left -= 1
                return left == 0
            }
            if isNow { body() }
        }
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
