import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatProtocol
import LifeboatStore
import LifeboatSystem
import LifeboatTesting
import Testing

@testable import LifeboatArchive

/// What a hostile or damaged store, and thieves of keys, can do to logs.
@Suite struct LogTests {
    private let test: TestRepository

    init() throws { test = try TestRepository() }

    private func problems(_ host: String = "host") throws -> [String?] {
        try test.open(host).readLog().problems.map(\.subject)
    }

    private func name(_ verified: VerifiedEntry) -> ObjectName { test.name(verified.head) }

    /// The same entry, changed and signed again.
    private func signed(
        _ entry: LogEntry, by key: SigningKey? = nil, _ change: (inout LogEntry) -> Void
    ) throws -> [UInt8] {
        var entry = entry
        change(&entry)
        let key = try key ?? test.open().requireMember().signing
        return Repository.signed(.logEntry, entry.payload, by: key)
    }

    @Test func `entries form one chain a host`() throws {
        let mine = try test.append(3)
        let others = try test.append(2, "other")
        let more = try test.append()
        let log = try test.readFresh()
        #expect(log.problems.isEmpty)
        #expect(Set(log.ledger.points.map(\.id)) == Set((mine + others + more).map(\.id)))
        let member = mine[0].entry.member
        #expect(
            Set(log.recent.keys) == Set([1, 2].map { Incarnation.id(of: member, number: $0) }))
        // Each session opens with one entry and ends with one.
        let chain = try #require(log.recent[mine[0].entry.incarnation])
        #expect(chain.map(\.entry.sequence) == Array(1...8))
        #expect(chain.map(\.entry.previous) == [.zero] + chain.dropLast().map(\.id))
        #expect(chain.map(\.addsPoint) == (0..<8).map { $0 % 2 == 1 })
        for (opening, closing) in zip(chain, chain.dropFirst()) where !opening.addsPoint {
            #expect(opening.entry.opened.count == 1)
            #expect(opening.entry.opened == closing.entry.closed)
        }
        // Only what grew is told again.
        #expect(chain[6].entry.heads == [others[1].head])
        #expect(chain[7].entry.heads.isEmpty)
    }

    @Test(arguments: [0, 1, 2]) func `a missing entry is told and the others stay`(
        which: Int
    ) throws {
        let entries = try test.append(4)
        let stranger = try test.open("stranger")
        try test.store.delete(name(entries[which]))
        let log = try stranger.readLog()
        #expect(log.problems.map(\.subject) == [name(entries[which]).path])
        #expect(log.ledger.points.count == 3)
        #expect(try problems() == [name(entries[which]).path])
    }

    @Test(arguments: [0, 1, 2]) func `a damaged entry costs only itself`(which: Int) throws {
        let entries = try test.append(4)
        test.store.tamper(name(entries[which])) { $0[40] ^= 1 }
        #expect(try problems() == [name(entries[which]).path])
        #expect(try problems("stranger") == [name(entries[which]).path])
        let points = try test.readFresh().ledger.points.map(\.id)
        #expect(Set(points) == Set(entries.map(\.id)).subtracting([entries[which].id]))
        // Nor does it keep anybody from writing.
        try test.append()
        try test.append(1, "other")
        #expect(try test.readFresh().ledger.points.count == 5)
    }

    @Test func `an entry out of its place is told`() throws {
        let entries = try test.append(3)
        let bytes = try test.store.get(name(entries[0]), limit: 1 << 20)
        test.store.tamper(name(entries[1])) { $0 = bytes }
        #expect(try problems() == [name(entries[1]).path])
        #expect(try test.readFresh().ledger.points.count == 2)
    }

    @Test func `an entry of another repository, domain or member is told`() throws {
        let entries = try test.append(2)
        let stranger = try test.enrol(.writer)
        let other = try test.open("two", secret: stranger).requireMember()
        let place = name(entries[1])
        let changes: [(SigningKey?, (inout LogEntry) -> Void)] = [
            (nil, { $0.repository = .random() }), (nil, { $0.domain = .random() }),
            (nil, { $0.member = .random() }), (nil, { $0.incarnation = .random() }),
            (nil, { $0.sequence += 1 }), (.generate(), { _ in }), (other.signing, { _ in }),
            // A member has no say in another's log.
            (other.signing, { $0.member = other.writer }),
        ]
        let original = try test.store.get(place, limit: 1 << 20)
        for (number, (key, change)) in changes.enumerated() {
            let bytes = try signed(entries[1].entry, by: key, change)
            test.store.tamper(place) { $0 = bytes }
            let log = try test.readFresh()
            #expect(log.problems.map(\.subject) == [place.path], "change \(number)")
            #expect(log.ledger.points.map(\.id) == [entries[0].id], "change \(number)")
        }
        test.store.tamper(place) { $0 = original }
        #expect(try test.readFresh().problems.isEmpty)
    }

    @Test func `a log of nobody in the roster is not looked at`() throws {
        let writer = try test.open().requireMember()
        let stranger = Identifier.random()
        var entry = LogEntry(
            repository: try test.open().id, member: stranger,
            incarnation: Incarnation.id(of: stranger, number: 1), sequence: 1, previous: .zero,
            domain: writer.domain, time: 1)
        entry.body = Digest(1, 2, 3, 4)
        let head = entry.head(.zero)
        try test.store.put(
            test.name(head), bytes: Repository.signed(.logEntry, entry.payload, by: .generate()))
        let log = try test.readFresh()
        #expect(log.ledger.points.isEmpty)
        #expect(log.ledger.logs.isEmpty)
    }

    @Test func `what only keepers may say is refused from a writer`() throws {
        let entries = try test.append(2)
        let place = name(entries[1])
        let changes: [(inout LogEntry) -> Void] = [
            { $0.condemned = [.init(.pack, .zero)] }, { $0.released = [.init(.pack, .zero)] },
            { $0.doomed = [.init(.pack, .zero)] }, { $0.forgotten = [entries[0].id] },
            { $0.held = [entries[0].id] }, { $0.unheld = [entries[0].id] },
            { $0.fenced = [$0.incarnation] }, { $0.ends = [entries[0].head] },
            { $0.proposal = .init(ordinal: 1, digest: .zero) },
            { $0.checkpoint = .init(ordinal: 1, digest: .zero) }, { $0.sparse = [] },
        ]
        for (number, change) in changes.enumerated() {
            let bytes = try signed(entries[1].entry, change)
            test.store.tamper(place) { $0 = bytes }
            let log = try test.readFresh()
            #expect(log.problems.map(\.subject) == [place.path], "change \(number)")
            #expect(log.ledger.points.map(\.id) == [entries[0].id], "change \(number)")
        }
    }

    @Test func `a keeper adds no point`() throws {
        let keeper = try test.open("keeper", secret: try test.enrol(.keeper))
        let head = try #require(try keeper.keep { _ in { $0.body = Digest(1, 2, 3, 4) } })
        let log = try test.readFresh()
        #expect(log.problems.map(\.subject) == [test.name(head).path])
        #expect(log.ledger.points.isEmpty)
    }

    @Test func `a rolled back log is told and not written to`() throws {
        let entries = try test.append(3)
        try test.append(1, "other")
        for sequence in UInt64(3)...6 {
            try test.store.delete(ObjectNames.logEntry(entries[0].entry.incarnation, sequence))
        }
        // This host remembers, and the other one wrote down what it had seen.
        for host in ["host", "stranger"] {
            let told = try problems(host)
            #expect(told.contains(name(entries[2]).path), "\(host)")
        }
        #expect(code { () throws(LifeboatError) in try test.append() } == .refused)
        #expect(code { () throws(LifeboatError) in try test.append(1, "other") } == nil)
    }

    @Test func `a store set back as a whole is told to who remembers`() throws {
        try test.append(1)
        let old = test.store.names
        let lost = try test.append(2)
        _ = try test.open("watcher").readLog()
        for name in test.store.names.subtracting(old) { try test.store.delete(ObjectName(name)) }
        #expect(try problems("watcher").contains(name(lost[1]).path))
        #expect(code { () throws(LifeboatError) in try test.append() } == .refused)
        #expect(try test.readFresh().problems.isEmpty)
    }

    @Test func `an entry that was exchanged behind its writer is told`() throws {
        let entries = try test.append(2)
        let bytes = try signed(entries[1].entry) { $0.time += 1 }
        test.store.tamper(name(entries[1])) { $0 = bytes }
        #expect(try problems() == [name(entries[1]).path])
    }

    @Test func `an entry that was exchanged breaks the chain for who remembers nothing`() throws {
        let entries = try test.append(3)
        let bytes = try signed(entries[1].entry) { $0.time += 1 }
        test.store.tamper(name(entries[1])) { $0 = bytes }
        let next = ObjectNames.logEntry(entries[1].entry.incarnation, 5)
        #expect(try problems("stranger") == [next.path])
    }

    @Test func `a body left by a run that died does no harm`() throws {
        try test.append()
        try test.store.put(ObjectNames.pointBody(Digest(1, 2, 3, 4)), bytes: [1, 2, 3])
        try test.append()
        let repository = try test.open()
        let catalog = try PointCatalog(repository, log: try repository.readLog())
        #expect(catalog.points.count == 2)
        #expect(catalog.problems.isEmpty)
    }

    @Test func `an entry of a newer version is not damage`() throws {
        let entries = try test.append(2)
        test.store.tamper(name(entries[1])) { $0[4] = 2 }
        #expect(code { () throws(LifeboatError) in _ = try test.readFresh() } == .unsupported)
        #expect(code { () throws(LifeboatError) in try test.append() } == .unsupported)
    }
}
