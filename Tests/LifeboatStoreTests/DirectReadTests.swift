import LifeboatCore
import LifeboatStore
import LifeboatSystem
import LifeboatTesting
import Testing

/// Large aligned objects are written, and large ranges read, past the page cache.
@Suite struct DirectReadTests {
    private static let byteCount = 5 << 20
    private let folder: TemporaryDirectory
    private let store: DirectoryStore
    private let content: Buffer

    init() throws {
        folder = try TemporaryDirectory()
        store = try DirectoryStore.create(path: folder.file("repository"))
        content = Buffer(capacity: Self.byteCount)
        var random = SeededGenerator(seed: 7)
        for offset in stride(from: 0, to: Self.byteCount, by: 8) {
            content.storage.storeBytes(of: random.next(), toByteOffset: offset, as: UInt64.self)
        }
        content.count = Self.byteCount
        try store.put("packs/large", [content.bytes])
    }

    @Test(arguments: [
        (0, 5 << 20), (1, 3 << 20), (4096, 2 << 20), (12345, (2 << 20) + 7), (3 << 20, 4 << 20),
        ((5 << 20) - 9, 2 << 20), (6 << 20, 2 << 20),
    ])
    func `any range is what was put, short only at the end`(offset: Int, count: Int) throws {
        let target = Buffer(capacity: count)
        let got = try store.read("packs/large", at: UInt64(offset), into: target.storage)
        #expect(got == max(0, min(count, Self.byteCount - offset)))
        let same = (0..<got).allSatisfy { target.storage[$0] == content.storage[offset + $0] }
        #expect(same)
    }
}
