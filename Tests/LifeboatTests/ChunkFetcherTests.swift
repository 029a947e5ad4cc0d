import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatSystem
import LifeboatTesting
import Testing

@testable import Lifeboat
@testable import LifeboatArchive

/// A writer that stores something else than it says.
@Suite struct ChunkFetcherTests {
    @Test func `a chunk that is not what its id says is never handed out`() throws {
        let folder = try TemporaryDirectory()
        let store = MemoryStore()
        let recovery = RecoveryKey.generate(repository: .random())
        let secret = WrappingSecret.keyFile(SecretBytes.random(count: 32))
        try Repository.create(
            in: store, recovery: recovery, chunkSize: 65536, secret: secret, keyLabel: "test")
        let repository = try Repository.open(
            store, secret: secret, recovery: recovery, stateRoot: folder.file("state"),
            cacheRoot: folder.file("cache"))
        let session = try WriteSession(
            repository, try SessionOpening(repository), index: try Index.empty(repository),
            packBuffers: 3)
        defer { session.end() }
        let content = Buffer(capacity: 65536)
        content.storage.initializeMemory(as: UInt8.self, repeating: 7)
        content.count = 65536
        let lie = Digest(1, 2, 3, 4)
        _ = try session.store(
            content.bytes, slots: [.init(id: lie, length: 65536)],
            encoder: FrameEncoder(level: 3, frameByteCount: 65536))
        try session.flush()
        let name = try #require(session.stored.packs.first)
        let pack = try PackCache(repository).pack(name)
        let task = FrameTask(
            pack: pack, frame: 0, items: [.init(slot: 0, chunk: 0, id: lie)])
        var isHandedOut = false
        let found = code { () throws(LifeboatError) in
            try ChunkFetcher(repository).fetch(task, chunkSize: 65536, volumeSize: 65536) {
                _, _ throws(LifeboatError) in
                isHandedOut = true
            }
        }
        #expect(found == .damaged)
        #expect(!isHandedOut)
    }
}
