import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatStore
import LifeboatSystem
import LifeboatTesting
import Testing

@testable import LifeboatArchive

@Suite struct PointSealingTests {
    private let domain: DomainKeys

    init() throws { domain = try TestRepository().open().requireDomain() }

    private func open(
        _ bytes: [UInt8], _ incarnation: Identifier, _ sequence: UInt64
    ) throws(LifeboatError) -> PointBody {
        try PointSealing.open(
            bytes, domain: domain, incarnation: incarnation, sequence: sequence, subject: "test")
    }

    @Test func `a body comes back, at its place only`() throws {
        let place = Identifier.random()
        for length in [0, 1, 700, 5000] {
            let content = body(machine: String(repeating: "m", count: length))
            let sealed = PointSealing.seal(content, domain: domain, incarnation: place, sequence: 7)
            #expect(sealed.count == SizeClass.padded(sealed.count))
            #expect(try open(sealed, place, 7) == content)
            #expect(code { () throws(LifeboatError) in _ = try open(sealed, place, 8) } == .damaged)
            let elsewhere = code { () throws(LifeboatError) in _ = try open(sealed, .random(), 7) }
            #expect(elsewhere == .damaged)
        }
    }

    @Test func `a changed or cut body is refused`() throws {
        let place = Identifier.random()
        let sealed = PointSealing.seal(body(), domain: domain, incarnation: place, sequence: 1)
        for position in sealed.indices {
            var bytes = sealed
            bytes[position] ^= 4
            let found = code { () throws(LifeboatError) in _ = try open(bytes, place, 1) }
            #expect(found == .damaged || found == .unsupported, "byte \(position)")
            let cut = Array(sealed[0..<position])
            #expect(
                code { () throws(LifeboatError) in _ = try open(cut, place, 1) } == .damaged,
                "\(position) bytes")
        }
    }
}

@Suite struct LogTests {
    private let test: TestRepository

    init() throws { test = try TestRepository() }

    /// Appends points to the log of `host`.
    @discardableResult
    private func append(
        _ count: Int, host: String = "host"
    ) throws(LifeboatError) -> [VerifiedEntry] {
        let repository = try test.open(host)
        let appender = LogAppender(
            repository: repository, domain: try repository.requireDomain(),
            writer: try repository.requireWriter())
        var result: [VerifiedEntry] = []
        for _ in 0..<count {
            result.append(
                try appender.append(body(machine: host), packs: [], runs: [], replacedRuns: [])
                    .entry)
        }
        return result
    }

    private func name(_ entry: VerifiedEntry) -> ObjectName {
        ObjectNames.logEntry(entry.entry.incarnation, entry.entry.sequence)
    }

    private func problems(_ host: String = "host") throws -> [String?] {
        try test.open(host).readLog().problems.map(\.subject)
    }

    @Test func `entries form one chain a host`() throws {
        let mine = try append(3)
        let others = try append(2, host: "other")
        let more = try append(1)
        let log = try test.open().readLog()
        #expect(log.problems.isEmpty)
        #expect(log.logs.count == 2)
        #expect(Set(log.entries.map(\.id)) == Set((mine + others + more).map(\.id)))
        let chain = mine + more
        #expect(chain.map(\.entry.sequence) == [1, 2, 3, 4])
        #expect(chain.map(\.entry.previous) == [.zero] + chain.dropLast().map(\.id))
        #expect(more[0].entry.heads.map(\.digest) == [others[1].id])
    }

    @Test func `a missing entry is told and the others stay`() throws {
        let entries = try append(4)
        try test.store.delete(name(entries[1]))
        #expect(try problems() == [name(entries[1]).path])
        #expect(try problems("stranger") == [name(entries[1]).path])
        #expect(try test.open().readLog().entries.count == 3)
    }

    @Test func `a damaged entry is told and the others stay`() throws {
        let entries = try append(4)
        test.store.tamper(name(entries[1])) { $0[40] ^= 1 }
        #expect(try problems() == [name(entries[1]).path])
        #expect(try test.open().readLog().entries.count == 3)
    }

    @Test func `an entry out of its place is told`() throws {
        let entries = try append(3)
        let bytes = try test.store.get(name(entries[0]), limit: 1 << 20)
        test.store.tamper(name(entries[1])) { $0 = bytes }
        #expect(try problems() == [name(entries[1]).path])
    }

    @Test func `an entry of nobody in the roster is told`() throws {
        let repository = try test.open()
        let writer = try repository.requireWriter()
        let incarnation = Identifier.random()
        func entry(_ name: Identifier) -> LogEntry {
            LogEntry(
                repository: repository.id, writer: name, incarnation: incarnation, sequence: 1,
                previous: .zero, domain: writer.domain, time: 1, body: .zero, packs: [], runs: [],
                replacedRuns: [], heads: [])
        }
        let place = ObjectNames.logEntry(incarnation, 1)
        for (name, key) in [(writer.writer, SigningKey.generate()), (.random(), writer.signing)] {
            try test.store.put(
                place, bytes: Repository.signed(.logEntry, entry(name).payload, by: key))
            #expect(try problems() == [place.path])
            #expect(try test.open().readLog().entries.isEmpty)
            try test.store.delete(place)
        }
    }

    @Test func `a rolled back log is told and not written to`() throws {
        let entries = try append(3)
        try append(1, host: "other")
        for entry in entries[1...] { try test.store.delete(name(entry)) }
        // This host remembers, and the other one wrote down what it had seen.
        for host in ["host", "stranger"] {
            let told = try problems(host)
            #expect(told.contains(name(entries[2]).path), "\(host)")
        }
        #expect(code { () throws(LifeboatError) in try append(1) } == .refused)
        #expect(code { () throws(LifeboatError) in try append(1, host: "other") } == nil)
    }

    @Test func `an entry that was exchanged behind its writer is told`() throws {
        let entries = try append(2)
        let repository = try test.open()
        var other = entries[1].entry
        other.time += 1
        let bytes = Repository.signed(
            .logEntry, other.payload, by: try repository.requireWriter().signing)
        test.store.tamper(name(entries[1])) { $0 = bytes }
        #expect(try problems() == [name(entries[1]).path])
    }

    @Test func `an entry that was exchanged breaks the chain for who remembers nothing`() throws {
        let entries = try append(3)
        var other = entries[1].entry
        other.time += 1
        let bytes = Repository.signed(
            .logEntry, other.payload, by: try test.open().requireWriter().signing)
        test.store.tamper(name(entries[1])) { $0 = bytes }
        #expect(try problems("stranger") == [name(entries[2]).path])
    }

    @Test func `a body left by a run that died is replaced`() throws {
        let first = try append(1)
        let left = ObjectNames.pointBody(first[0].entry.incarnation, 2)
        try test.store.put(left, bytes: [1, 2, 3])
        try append(1)
        let repository = try test.open()
        let catalog = try PointCatalog(repository, log: try repository.readLog())
        #expect(catalog.points.count == 2)
        #expect(catalog.problems.isEmpty)
    }

    @Test func `processes of one host take turns from the first entry on`() throws {
        let results = Guarded<[LifeboatError.Code?]>([])
        Threads.run(count: 4, name: "append") { _ in
            let result = code { () throws(LifeboatError) in try append(5, host: "fresh") }
            results.withLock { $0.append(result) }
        }
        #expect(results.withLock { $0 } == [nil, nil, nil, nil])
        let log = try test.open().readLog()
        #expect(log.problems.isEmpty)
        #expect(log.entries.count == 20)
    }
}

@Suite struct PointCatalogTests {
    private let test: TestRepository
    private let catalog: PointCatalog

    init() throws {
        test = try TestRepository()
        let repository = try test.open()
        let appender = LogAppender(
            repository: repository, domain: try repository.requireDomain(),
            writer: try repository.requireWriter())
        for (machine, volume, ended) in [
            ("alpha", "a", 30), ("beta", "b", 20), ("alpha", "c", 10), ("beta", "b", 40),
        ] {
            let content = body(machine: machine, volume: volume, ended: UInt64(ended))
            _ = try appender.append(content, packs: [], runs: [], replacedRuns: [])
        }
        catalog = try PointCatalog(repository, log: try repository.readLog())
    }

    private func find(
        _ text: String, where accepts: (Point) -> Bool = { _ in true }
    ) -> LifeboatError.Code? {
        code { () throws(LifeboatError) in _ = try catalog.find(text, where: accepts) }
    }

    @Test func `points come oldest first`() {
        #expect(catalog.points.map(\.body.ended) == [10, 20, 30, 40])
    }

    @Test func `a point is found by its id, in any case, and by a unique beginning`() throws {
        for point in catalog.points {
            for text in [point.id.hex, point.id.hex.uppercased(), String(point.id.hex.prefix(16))] {
                #expect(try catalog.find(text).id == point.id)
            }
            #expect(find(point.id.hex + "0") == .missing)
            #expect(find(String(point.id.hex.prefix(3))) == .missing)
            #expect(find(point.id.hex) { $0.id != point.id } == .missing)
        }
        #expect(find("") == .missing)
        #expect(find("zzzz") == .missing)
    }

    @Test func `latest is that of one machine`() throws {
        #expect(find("latest") == .refused)
        #expect(find("latest") { _ in false } == .missing)
        let alpha = try catalog.find("latest") { $0.body.machine == "alpha" }
        #expect(alpha.body.ended == 30)
    }

    @Test func `the newest point of a volume is the one that has it`() {
        #expect(catalog.newest(machine: "alpha", volume: "c")?.body.ended == 10)
        #expect(catalog.newest(machine: "beta", volume: "b")?.body.ended == 40)
        #expect(catalog.newest(machine: "beta", volume: "a") == nil)
    }

    @Test func `a point without its body is a problem that its id leads to`() throws {
        let lost = catalog.points[1]
        try test.store.delete(ObjectNames.pointBody(lost.entry.incarnation, lost.entry.sequence))
        let repository = try test.open()
        let rest = try PointCatalog(repository, log: try repository.readLog())
        #expect(rest.points.count == 3)
        #expect(rest.problems.count == 1)
        let found = { (text: String) in
            code { () throws(LifeboatError) in _ = try rest.find(text) }
        }
        #expect(found(lost.id.hex) == .damaged)
        #expect(found("") == .missing)
        #expect(found("point") == .missing)
    }
}
