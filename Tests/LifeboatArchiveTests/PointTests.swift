import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatProtocol
import LifeboatStore
import LifeboatTesting
import Testing

@testable import LifeboatArchive

@Suite struct PointSealingTests {
    private let domain: DomainKeys

    init() throws { domain = try TestRepository().open().requireDomain() }

    private func open(
        _ bytes: [UInt8], _ member: Identifier, domain other: DomainKeys? = nil
    ) throws(LifeboatError) -> PointBody {
        try PointSealing.open(bytes, domain: other ?? domain, member: member, subject: "test")
    }

    @Test func `a body comes back, from its member and domain only`() throws {
        let member = Identifier.random()
        let secret = SecretBytes(randomBytes(32))
        let others = [
            DomainKeys(repository: domain.repository, domain: .random(), secret: domain.secret),
            DomainKeys(repository: .random(), domain: domain.domain, secret: domain.secret),
            DomainKeys(repository: domain.repository, domain: domain.domain, secret: secret),
        ]
        for length in [0, 1, 700, 5000] {
            let content = body(machine: String(repeating: "m", count: length))
            let sealed = PointSealing.seal(content, domain: domain, member: member)
            #expect(sealed.count == SizeClass.padded(sealed.count))
            #expect(try open(sealed, member) == content)
            let another = code { () throws(LifeboatError) in _ = try open(sealed, .random()) }
            #expect(another == .damaged)
            for other in others {
                let found = code { () throws(LifeboatError) in
                    _ = try open(sealed, member, domain: other)
                }
                #expect(found == .damaged)
            }
        }
    }

    @Test func `a changed or cut body is refused`() throws {
        let member = Identifier.random()
        let sealed = PointSealing.seal(body(), domain: domain, member: member)
        for position in sealed.indices {
            var bytes = sealed
            bytes[position] ^= 4
            let found = code { () throws(LifeboatError) in _ = try open(bytes, member) }
            #expect(found == .damaged || found == .unsupported, "byte \(position)")
            let cut = Array(sealed[0..<position])
            #expect(
                code { () throws(LifeboatError) in _ = try open(cut, member) } == .damaged,
                "\(position) bytes")
        }
    }

    @Test func `tags come back, for their point only`() throws {
        let point = Digest(1, 2, 3, 4)
        for tags in [[:], ["a": ""], ["env": "test", "zoë": "1"]] {
            let sealed = PointSealing.seal(tags: tags, of: point, domain: domain)
            #expect(try PointSealing.openTags(sealed, of: point, domain: domain) == tags)
            let elsewhere = code { () throws(LifeboatError) in
                _ = try PointSealing.openTags(sealed, of: Digest(1, 2, 3, 5), domain: domain)
            }
            #expect(elsewhere == .damaged)
            for position in sealed.indices {
                var bytes = sealed
                bytes[position] ^= 4
                let cut = Array(sealed[0..<position])
                for wrong in [bytes, cut] {
                    let found = code { () throws(LifeboatError) in
                        _ = try PointSealing.openTags(wrong, of: point, domain: domain)
                    }
                    #expect(found == .damaged, "byte \(position)")
                }
            }
        }
    }
}

@Suite struct PointCatalogTests {
    private let test: TestRepository
    private let catalog: PointCatalog

    init() throws {
        test = try TestRepository()
        for (machine, volume, ended) in [
            ("alpha", "a", 30), ("beta", "b", 20), ("alpha", "c", 10), ("beta", "b", 40),
        ] {
            try test.append(body: body(machine: machine, volume: volume, ended: UInt64(ended)))
        }
        let repository = try test.open()
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
        try test.store.delete(ObjectNames.pointBody(lost.record.body))
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

    @Test func `an exchanged body is a problem`() throws {
        let (first, second) = (catalog.points[0].record, catalog.points[1].record)
        let bytes = try test.store.get(ObjectNames.pointBody(second.body), limit: 1 << 20)
        test.store.tamper(ObjectNames.pointBody(first.body)) { $0 = bytes }
        let repository = try test.open()
        let rest = try PointCatalog(repository, log: try repository.readLog())
        #expect(rest.points.map(\.id) == catalog.points.dropFirst().map(\.id))
        #expect(rest.problems.map(\.subject) == [ObjectNames.pointBody(first.body).path])
    }

    @Test func `edited tags take the place of those in the body`() throws {
        let point = catalog.points[2].record
        let edit = try test.open().tagEdit(["env": "test"], of: point)
        let head = try test.open().keep { _ in { $0.tagEdits = [edit] } }
        #expect(head != nil)
        let repository = try test.open()
        let now = try PointCatalog(repository, log: try repository.readLog())
        #expect(now.points.map(\.tags) == [[:], [:], ["env": "test"], [:]])
    }
}
