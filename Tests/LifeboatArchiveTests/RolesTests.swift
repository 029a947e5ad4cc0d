import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatStore
import LifeboatSystem
import LifeboatTesting
import Synchronization
import Testing

@testable import LifeboatArchive

/// Enrolment, revocation, rotation, and what an attacker with the store makes of them.
@Suite struct RolesTests {
    private let test: TestRepository

    init() throws { test = try TestRepository() }

    private static func keyFile() -> WrappingSecret { .keyFile(SecretBytes(randomBytes(32))) }

    private func open(
        _ host: String = "host", secret: WrappingSecret? = nil, recovery: RecoveryKey? = nil
    ) throws(LifeboatError) -> Repository {
        try Repository.open(
            test.store, secret: secret, recovery: recovery,
            stateRoot: test.folder.file(host + "-state"),
            cacheRoot: test.folder.file(host + "-cache"))
    }

    private func fault(
        _ host: String = "host", secret: WrappingSecret? = nil, recovery: RecoveryKey? = nil
    ) -> LifeboatError.Code? {
        code { () throws(LifeboatError) in
            _ = try open(host, secret: secret, recovery: recovery)
        }
    }

    private func newKey() -> RecoveryKey { .generate(repository: test.recovery.repository) }

    private func rotated() throws(LifeboatError) -> RecoveryKey {
        let new = newKey()
        _ = try open(recovery: test.recovery).rotate(to: new)
        return new
    }

    /// Stores chunks as the first writer, and returns the packs that this made.
    private func storePacks(_ seed: UInt64) throws -> Set<Digest> {
        var generator = SeededGenerator(seed: seed)
        let before = try packs()
        let session = try WriteSession.fresh(try open(secret: test.secret))
        _ = try session.store(
            chunks: (0..<3).map { _ in
                (0..<5000).map { _ in UInt8.random(in: 0...255, using: &generator) }
            })
        try session.flush()
        return try packs().subtracting(before)
    }

    private func packs() throws -> Set<Digest> {
        var packs: Set<Digest> = []
        try test.store.list(ObjectNames.packsPrefix) { name, _ throws(LifeboatError) in
            if let digest = ObjectNames.digest(name) { packs.insert(digest) }
        }
        return packs
    }

    private func opens(_ pack: Digest, _ repository: Repository) -> Bool {
        let opened = try? OpenPack.open(
            pack, store: test.store, domains: repository.domains, recovery: repository.recovery)
        return opened?.keys != nil
    }

    // MARK: rotation

    @Test(arguments: 1...3) func `the newest key opens the packs of all keys before`(
        rotations: Int
    ) throws {
        var all = try storePacks(1)
        var keys = [test.recovery]
        for number in 0..<rotations {
            keys.append(newKey())
            _ = try open(recovery: keys[number]).rotate(to: keys[number + 1])
            all.formUnion(try storePacks(UInt64(number) + 2))
        }
        #expect(all.count == rotations + 1)
        let repository = try open(recovery: keys[rotations])
        for pack in all { #expect(opens(pack, repository)) }
        for old in keys.dropLast() { #expect(fault(recovery: old) == .wrongKey) }
    }

    @Test func `the old key opens no pack that is stored after a rotation`() throws {
        let before = try storePacks(1)
        let old = try open("thief", recovery: test.recovery)
        _ = try rotated()
        let after = try storePacks(2)
        for pack in before { #expect(opens(pack, old)) }
        for pack in after { #expect(!opens(pack, old)) }
    }

    @Test func `a replaced key is told with its day`() throws {
        _ = try rotated()
        do {
            _ = try open(recovery: test.recovery)
            Issue.record("a replaced key opens")
        } catch {
            let day = DateText.day(Clock.milliseconds())
            #expect(error.message.contains("replaced by a rotation on \(day)"))
        }
    }

    @Test func `hosts go on across rotations, new ones too`() throws {
        let second = Self.keyFile()
        let new = try rotated()
        _ = try open(recovery: new).enrol(
            .writer, domain: try open(recovery: new).requireDomain().domain, label: "second",
            secret: second)
        let newest = newKey()
        _ = try open(recovery: new).rotate(to: newest)
        for secret in [test.secret, second] {
            #expect(try open("fresh", secret: secret).requireWriter().rootKey.count == 32)
        }
    }

    @Test func `a lost reply to the one put of a rotation does no harm`() throws {
        let store = FaultStore(test.store)
        let repository = try Repository.open(
            store, secret: nil, recovery: test.recovery, stateRoot: test.folder.file("state"),
            cacheRoot: test.folder.file("cache"))
        store.follow(.scripted([.put: [1: .lostReply(.unavailable)]]))
        let new = newKey()
        _ = try repository.rotate(to: new)
        #expect(fault(recovery: new) == nil)
        #expect(fault(recovery: test.recovery) == .wrongKey)
    }

    @Test func `a rotation that cannot be stored leaves the old key in force`() throws {
        let store = FaultStore(test.store)
        let repository = try Repository.open(
            store, secret: nil, recovery: test.recovery, stateRoot: test.folder.file("state"),
            cacheRoot: test.folder.file("cache"))
        store.follow(.scripted([.put: [1: .fail(.full)]]))
        let new = newKey()
        #expect(code { () throws(LifeboatError) in _ = try repository.rotate(to: new) } == .full)
        #expect(fault(recovery: test.recovery) == nil)
        #expect(fault(recovery: new) == .refused)
    }

    @Test func `of two rotations with the same key one wins`() throws {
        let repository = try open(recovery: test.recovery)
        let (first, second) = (newKey(), newKey())
        _ = try repository.rotate(to: first)
        #expect(
            code { () throws(LifeboatError) in _ = try repository.rotate(to: second) } == .wrongKey)
        #expect(fault(recovery: first) == nil)
    }

    // MARK: an attacker with the store

    enum Attack: String, CaseIterable {
        case configurationSetBack, rosterSetBack, rosterByOldRoot, configurationByOldRoot
        case configurationByStranger, wrongPrevious, confirmedRosterExchanged
    }

    @Test(arguments: Attack.allCases) func `an attack on the chains is refused`(
        attack: Attack
    ) throws {
        let domain = try open(recovery: test.recovery).requireDomain().domain
        _ = try open(recovery: test.recovery).enrol(
            .writer, domain: domain, label: "", secret: Self.keyFile())
        let new = try rotated()
        _ = try open(recovery: new).enrol(
            .keeper, domain: domain, label: "", secret: Self.keyFile())
        let repository = try open(secret: test.secret, recovery: new)
        #expect(repository.configuration.number == 2)
        #expect(repository.roster.number == 3)
        var expected: [LifeboatError.Code] = [.refused]
        switch attack {
        case .configurationSetBack: try test.store.delete(ObjectNames.configuration(2))
        case .rosterSetBack: try test.store.delete(ObjectNames.roster(3))
        case .rosterByOldRoot:
            let roster = Roster(
                repository: repository.id, number: 4, previous: repository.rosters.digest,
                members: [])
            try test.store.put(
                ObjectNames.roster(4),
                bytes: Repository.signed(.roster, roster.payload, by: test.recovery.root))
        case .configurationByOldRoot, .configurationByStranger, .wrongPrevious:
            var next = repository.configuration
            next.number = 3
            next.previous =
                attack == .wrongPrevious ? .zero : repository.configurations.currentDigest
            let root =
                switch attack {
                case .configurationByOldRoot: test.recovery.root
                case .configurationByStranger: SigningKey.generate()
                default: new.root
                }
            next.rootKey = root.publicKey
            try test.store.put(
                ObjectNames.configuration(3),
                bytes: Repository.signed(.configuration, next.payload, by: root))
            expected = [.damaged]
        case .confirmedRosterExchanged:
            let roster = Roster(
                repository: repository.id, number: 2, previous: .zero, members: [])
            let bytes = Repository.signed(.roster, roster.payload, by: test.recovery.root)
            test.store.tamper(ObjectNames.roster(2)) { $0 = bytes }
            expected = [.damaged]
        }
        #expect(expected.contains(try #require(fault(secret: test.secret))))
        #expect(expected.contains(try #require(fault(recovery: new))))
        // What was open before notices as well when it looks again.
        let again = code { () throws(LifeboatError) in _ = try repository.refreshed() }
        switch attack {
        case .configurationSetBack, .rosterSetBack, .confirmedRosterExchanged:
            #expect(again == nil)
        default: #expect(again != nil)
        }
    }

    @Test func `a chain that another root began is refused`() throws {
        let new = try rotated()
        let other = MemoryStore()
        let attacker = newKey()
        try Repository.create(
            in: other, recovery: attacker, chunkSize: 65536, secret: Self.keyFile(), keyLabel: "")
        try test.store.delete(ObjectNames.configuration(2))
        for name in [ObjectNames.configuration(1), ObjectNames.roster(1)] {
            let bytes = try other.get(name, limit: 1 << 20)
            test.store.tamper(name) { $0 = bytes }
        }
        for host in ["host", "fresh"] {
            #expect(fault(host, secret: test.secret) == .refused)
            #expect(fault(host, recovery: new) == .refused)
        }
    }

    @Test func `without a secret nothing becomes trusted`() throws {
        _ = try open("keyless")
        let path = test.folder.file("keyless-state") + "/" + test.recovery.repository.hex
        #expect(!Files.exists(path + "/trusted"))
        _ = try open("keyless", secret: test.secret)
        #expect(Files.exists(path + "/trusted"))
    }

    // MARK: members

    @Test func `members do what their roles let them`() throws {
        let repository = try open(recovery: test.recovery)
        let (writer, keeper) = (Self.keyFile(), Self.keyFile())
        let (grown, domain) = try repository.addDomain()
        _ = try grown.enrol(.writer, domain: domain, label: "db1", secret: writer)
        let (_, member, _) = try grown.enrol(
            .keeper, domain: try repository.requireDomain().domain, label: "zoë", secret: keeper)
        let byWriter = try open("writer", secret: writer)
        #expect(try byWriter.requireWriter().domain == domain)
        #expect(byWriter.domains.count == 1)
        #expect(byWriter.foreignDomains.count == 1)
        #expect(code { () throws(LifeboatError) in _ = try byWriter.requireKeeper() } == .refused)
        let byKeeper = try open("keeper", secret: keeper)
        #expect(byKeeper.domains.count == 2)
        #expect(byKeeper.label(of: member) == "zoë")
        #expect(byWriter.label(of: member) == nil)
        #expect(code { () throws(LifeboatError) in _ = try byKeeper.requireWriter() } == .refused)
        #expect(try byKeeper.requireKeeper().writer == member.id)
    }

    @Test func `a suspended or revoked writer may add nothing`() throws {
        let writer = try open(secret: test.secret)
        let id = try writer.requireWriter().writer
        let head = LogHead(incarnation: .random(), sequence: 3, digest: .zero)
        let suspended = try open(recovery: test.recovery).suspend(id)
        #expect(suspended.roster.member(id)?.isSuspended == true)
        #expect(suspended.roster.member(id)?.revoked == nil)
        #expect(try writer.freshRoster() == suspended.roster)
        for step in 0..<2 {
            let now = try writer.withFreshRoster()
            #expect(code { () throws(LifeboatError) in _ = try now.requireWriter() } == .refused)
            let again = try open(secret: test.secret)
            #expect(code { () throws(LifeboatError) in _ = try again.requireWriter() } == .refused)
            #expect(
                code { () throws(LifeboatError) in
                    _ = try again.addKey(Self.keyFile(), label: "")
                } == .refused)
            if step == 0 { _ = try suspended.revoke(id, heads: [head]) }
        }
        let revoked = try open(recovery: test.recovery)
        #expect(revoked.roster.member(id)?.revoked == [head])
        // Again changes nothing, and puts nothing.
        #expect(try revoked.revoke(id, heads: []).roster == revoked.roster)
        #expect(
            code { () throws(LifeboatError) in _ = try revoked.suspend(.random()) } == .missing)
    }

    @Test func `enrolments at the same time all count`() throws {
        let (hosts, each) = (4, 5)
        let faults = Mutex<[LifeboatError]>([])
        let repository = try open(recovery: test.recovery)
        let domain = try repository.requireDomain().domain
        let handles = (0..<hosts).map { number in
            Threads.start(name: "enrol \(number)") {
                for _ in 0..<each {
                    do throws(LifeboatError) {
                        _ = try repository.enrol(
                            .writer, domain: domain, label: "", secret: Self.keyFile())
                    } catch {
                        faults.withLock { $0.append(error) }
                    }
                }
            }
        }
        for handle in handles { handle.join() }
        #expect(faults.withLock { $0 } == [])
        let roster = try open(recovery: test.recovery).roster
        #expect(roster.members.count == hosts * each + 1)
        #expect(roster.number == UInt64(hosts * each) + 1)
    }

    @Test func `an enrolment that was interrupted after its key slot is harmless`() throws {
        let store = FaultStore(test.store)
        let repository = try Repository.open(
            store, secret: nil, recovery: test.recovery, stateRoot: test.folder.file("state"),
            cacheRoot: test.folder.file("cache"))
        store.follow(.scripted([.put: [2: .fail(.unavailable)]]))
        let secret = Self.keyFile()
        #expect(
            code { () throws(LifeboatError) in
                _ = try repository.enrol(
                    .writer, domain: try repository.requireDomain().domain, label: "",
                    secret: secret)
            } == .unavailable)
        #expect(fault(secret: secret) == .refused)
        #expect(fault(secret: test.secret) == nil)
    }

    @Test(arguments: TestSeeds.all) func `a flipped bit of a key slot is damage`(
        seed: UInt64
    ) throws {
        var generator = SeededGenerator(seed: seed)
        let name = ObjectNames.keySlot(try open(secret: test.secret).listKeys()[0].slot.id)
        let count = Int(try test.store.size(name) ?? 0)
        for _ in 0..<40 {
            let position = generator.below(count)
            let flip = UInt8(1 << generator.below(8))
            test.store.tamper(name) { $0[position] ^= flip }
            let found = fault(secret: test.secret)
            #expect(
                found == .damaged || found == .unsupported, "seed \(seed), byte \(position)")
            test.store.tamper(name) { $0[position] ^= flip }
        }
    }
}
