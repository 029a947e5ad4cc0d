import LifeboatArchive
import LifeboatCodec
import LifeboatCore
import LifeboatStore
import LifeboatSystem
import LifeboatTesting
import Testing

@testable import Lifeboat

/// Bits that change on their way from a store are no damage in the store.
@Suite struct NoisyWayTests {
    private let memory = MemoryStore()
    private let folder: TemporaryDirectory
    private let recovery = RecoveryKey.generate(repository: .random())
    private let secret = WrappingSecret.keyFile(SecretBytes(randomBytes(32)))
    private let content: [UInt8]

    init() throws {
        folder = try TemporaryDirectory()
        var generator = SeededGenerator(seed: 1)
        content = generator.bytes(3 << 20)
        try Repository.create(
            in: memory, recovery: recovery, chunkSize: 65536, secret: secret, keyLabel: "test")
        try Files.writeAtomically(folder.file("disk"), content)
        let options = BackupOptions(
            machine: "m", sources: [.init(name: "disk", path: folder.file("disk"))])
        _ = try operations(memory, "writer").backup(options)
    }

    private func operations(
        _ store: any ObjectStore, _ host: String
    ) throws(LifeboatError) -> Operations {
        Operations(
            on: try Repository.open(
                store, secret: secret, recovery: recovery, stateRoot: folder.file(host + "-state"),
                cacheRoot: folder.file(host + "-cache")))
    }

    private func verify(_ store: any ObjectStore, _ host: String) throws -> VerificationResult {
        var options = VerificationOptions()
        options.depth = .data
        options.threads = 2
        return try operations(store, host).verify(options)
    }

    private var isUntouched: Bool {
        memory.names.contains { $0.hasPrefix("packs/") }
            && !memory.names.contains { $0.hasPrefix("damaged") }
    }

    @Test(arguments: [1, 2, 3], [false, true])
    func `every object may come wrong once`(wrong: Int, readsAhead: Bool) throws {
        let noisy = NoisyStore(memory) { _, number in number == wrong }
        let store: any ObjectStore = readsAhead ? ReadAheadStore(noisy) : noisy
        let target = folder.file("restored")
        _ = try operations(store, "a").restore(RestoreOptions(point: "latest", target: target))
        #expect(try Files.readWhole(target, limit: 8 << 20) == content)
        #expect(noisy.changeCount > 0)
        #expect(try verify(store, "b").problems.isEmpty)
        #expect(isUntouched)
    }

    @Test func `a good pack is not set aside for what the way does to it`() throws {
        let store = NoisyStore(memory) { name, _ in name.path.hasPrefix("packs/") }
        let before = memory.names
        let result = try verify(store, "a")
        #expect(!result.problems.isEmpty)
        #expect(result.problems.allSatisfy { !$0.isSetAside })
        #expect(isUntouched)
        #expect(before.isSubset(of: memory.names))
        #expect(try verify(memory, "b").problems.isEmpty)
    }

    @Test func `a pack that is damaged in the store is set aside all the same`() throws {
        let pack = try #require(memory.names.filter { $0.hasPrefix("packs/") }.min())
        memory.tamper(ObjectName(pack)) { $0[$0.count / 2] ^= 1 }
        let result = try verify(NoisyStore(memory) { _, _ in false }, "a")
        #expect(result.problems.contains { $0.isSetAside })
        #expect(!memory.names.contains(pack))
    }
}
