import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatStore
import LifeboatSystem
import LifeboatTesting
import Testing

@testable import LifeboatArchive

@Suite struct RepositoryTests {
    private let test: TestRepository

    init() throws { test = try TestRepository() }

    private func open(
        secret: WrappingSecret? = nil, recovery: RecoveryKey? = nil, in store: MemoryStore? = nil
    ) -> LifeboatError.Code? {
        code { () throws(LifeboatError) in
            _ = try Repository.open(
                store ?? test.store, secret: secret, recovery: recovery,
                stateRoot: test.folder.file("state"), cacheRoot: test.folder.file("cache"))
        }
    }

    private static func keyFile() -> WrappingSecret { .keyFile(SecretBytes(randomBytes(32))) }

    @Test func `each secret opens what it should`() throws {
        #expect(try test.open().writer != nil)
        #expect(open(secret: test.secret) == nil)
        #expect(open(recovery: test.recovery) == nil)
        #expect(open() == nil)
        let bare = try Repository.open(
            test.store, secret: nil, recovery: nil, stateRoot: test.folder.file("state"),
            cacheRoot: test.folder.file("cache"))
        #expect(code { () throws(LifeboatError) in _ = try bare.requireDomain() } == .wrongKey)
        #expect(code { () throws(LifeboatError) in _ = try bare.requireWriter() } == .wrongKey)
        #expect(code { () throws(LifeboatError) in _ = try bare.requireRecovery() } == .wrongKey)
    }

    @Test func `writer and recovery key come to the same domain`() throws {
        let byRecovery = try Repository.open(
            test.store, secret: nil, recovery: test.recovery,
            stateRoot: test.folder.file("state"), cacheRoot: test.folder.file("cache"))
        let hashers = try [
            byRecovery.requireDomain().chunkHasher(), test.open().requireDomain().chunkHasher(),
        ]
        let ids = hashers.map { hasher in [UInt8]([1, 2, 3]).withUnsafeBytes { hasher.digest($0) } }
        #expect(ids[0] == ids[1])
    }

    @Test func `wrong keys are told apart from damage`() {
        #expect(open(secret: Self.keyFile()) == .wrongKey)
        #expect(open(secret: .password(SecretBytes([1, 2, 3]))) == .wrongKey)
        #expect(open(recovery: .generate(repository: .random())) == .wrongKey)
    }

    @Test func `there is one repository in a store`() throws {
        let again = code { () throws(LifeboatError) in
            try Repository.create(
                in: test.store, recovery: .generate(repository: .random()), chunkSize: 65536,
                secret: test.secret, keyLabel: "")
        }
        #expect(again == .exists)
        #expect(open(in: MemoryStore()) == .noRepository)
    }

    @Test(arguments: [0, 1, 8192, 65535, 98304, 8 << 20]) func `impossible chunk sizes are refused`(
        size: Int
    ) {
        let found = code { () throws(LifeboatError) in
            try Repository.create(
                in: MemoryStore(), recovery: .generate(repository: .random()), chunkSize: size,
                secret: test.secret, keyLabel: "")
        }
        #expect(found == .refused)
    }

    @Test(arguments: TestSeeds.all) func `a changed byte of configuration or roster is noticed`(
        seed: UInt64
    ) throws {
        var generator = SeededGenerator(seed: seed)
        for name in [ObjectNames.configuration(1), ObjectNames.roster(1)] {
            let count = Int(try test.store.size(name) ?? 0)
            for _ in 0..<30 {
                let position = generator.below(count)
                let flip = UInt8(1 << generator.below(8))
                test.store.tamper(name) { $0[position] ^= flip }
                let found = open(recovery: test.recovery)
                #expect(found != nil, "seed \(seed), \(name) byte \(position)")
                #expect(open(secret: test.secret) != nil, "seed \(seed), \(name) byte \(position)")
                test.store.tamper(name) { $0[position] ^= flip }
            }
        }
        #expect(open(recovery: test.recovery) == nil)
    }

    @Test func `the configuration of another root is refused`() throws {
        let other = MemoryStore()
        let attacker = RecoveryKey.generate(repository: test.recovery.repository)
        try Repository.create(
            in: other, recovery: attacker, chunkSize: 65536, secret: Self.keyFile(), keyLabel: "")
        for name in [ObjectNames.configuration(1), ObjectNames.roster(1)] {
            let bytes = try other.get(name, limit: 1 << 20)
            test.store.tamper(name) { $0 = bytes }
        }
        #expect(open(secret: test.secret) == .refused)
        #expect(open(recovery: test.recovery) == .refused)
    }

    @Test func `a roster that the root did not sign is refused`() throws {
        let writer = try test.open().requireWriter()
        let roster = Roster(
            repository: test.recovery.repository, number: 2, previous: try firstRoster(),
            members: [
                .init(
                    id: writer.writer, role: .writer, publicKey: writer.signing.publicKey,
                    domain: writer.domain)
            ])
        let name = ObjectNames.roster(2)
        for key in [SigningKey.generate(), writer.signing] {
            try test.store.put(
                name, bytes: Repository.signed(.roster, roster.payload, by: key))
            #expect(open(secret: test.secret) == .damaged)
            try test.store.delete(name)
        }
        try test.store.put(
            name, bytes: Repository.signed(.roster, roster.payload, by: test.recovery.root))
        #expect(open(secret: test.secret) == nil)
        // Once it was seen, its absence is a repository set back.
        try test.store.delete(name)
        #expect(open(secret: test.secret) == .refused)
        try Files.remove(
            test.folder.file("state") + "/" + test.recovery.repository.hex + "/trusted")
        // The right signature under another number.
        let first = try test.store.get(ObjectNames.roster(1), limit: 1 << 20)
        try test.store.put(name, bytes: first)
        #expect(open(secret: test.secret) == .damaged)
    }

    private func firstRoster() throws(LifeboatError) -> Digest {
        SHA256Hash.digest(try test.store.get(ObjectNames.roster(1), limit: 1 << 20))
    }

    @Test func `a writer that the roster does not have is refused`() throws {
        let roster = Roster(
            repository: test.recovery.repository, number: 2, previous: try firstRoster(),
            members: [])
        try test.store.put(
            ObjectNames.roster(2),
            bytes: Repository.signed(.roster, roster.payload, by: test.recovery.root))
        #expect(open(secret: test.secret) == .refused)
    }

    @Test func `keys are added, told and removed, but not the last`() throws {
        let repository = try test.open()
        let second = Self.keyFile()
        let slot = try repository.addKey(second, label: "second")
        #expect(open(secret: second) == nil)
        let keys = try repository.listKeys()
        #expect(Set(keys.map(\.label)) == ["test", "second"])
        #expect(try repository.opens(slot, second))
        #expect(try !repository.opens(slot, test.secret))
        for key in keys where key.label == "test" { try repository.removeKey(key.slot.id) }
        #expect(open(secret: test.secret) == .wrongKey)
        #expect(open(secret: second) == nil)
        #expect(code { () throws(LifeboatError) in try repository.removeKey(slot.id) } == .refused)
        #expect(
            code { () throws(LifeboatError) in try repository.removeKey(.random()) } == .missing)
    }

    @Test func `a damaged key slot does not hide the others`() throws {
        let slot = try test.open().addKey(Self.keyFile(), label: "second")
        test.store.tamper(ObjectNames.keySlot(slot.id)) { $0.removeLast(3) }
        #expect(open(secret: test.secret) == nil)
        #expect(open(secret: Self.keyFile()) == .damaged)
    }
}
