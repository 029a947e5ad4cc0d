@testable import Lifeboat
import LifeboatArchive
import LifeboatCore
import LifeboatSystem
import LifeboatTesting
import Testing

/// Chunks that wait for their place in a stream.
@Suite struct ChunkSpillTests {
    private let folder: TemporaryDirectory
    private let directories: LocalDirectories

    init() throws {
        folder = try TemporaryDirectory()
        directories = try LocalDirectories(
            stateRoot: folder.file("state"), cacheRoot: folder.file("cache"), repository: .random())
    }

    private func chunk(_ seed: UInt64) -> Buffer {
        let buffer = Buffer(capacity: 65536)
        var random = SeededGenerator(seed: seed)
        for offset in stride(from: 0, to: 65536, by: 8) {
            buffer.storage.storeBytes(of: random.next(), toByteOffset: offset, as: UInt64.self)
        }
        buffer.count = 65536
        return buffer
    }

    @Test func `gives back what was kept, and leaves no file behind`() throws {
        let spill = try #require(ChunkSpill(directories, byteLimit: 10 << 20))
        for seed in 1...20 as ClosedRange<UInt64> {
            let kept = chunk(seed)
            spill.keep(Digest(seed, 0, 0, 0), kept.bytes)
        }
        for seed in (1...20 as ClosedRange<UInt64>).reversed() {
            let target = Buffer(capacity: 65536)
            #expect(spill.read(Digest(seed, 0, 0, 0), into: target.storage))
            let expected = chunk(seed)
            let same = (0..<65536).allSatisfy { target.storage[$0] == expected.storage[$0] }
            #expect(same)
        }
        #expect(try Files.list(directories.restores).isEmpty)
    }

    @Test func `keeps no more than its share of the disk`() throws {
        let spill = try #require(ChunkSpill(directories, byteLimit: 140_000))
        for seed in 1...3 as ClosedRange<UInt64> {
            let kept = chunk(seed)
            spill.keep(Digest(seed, 0, 0, 0), kept.bytes)
        }
        let target = Buffer(capacity: 65536)
        #expect(spill.read(Digest(2, 0, 0, 0), into: target.storage))
        #expect(!spill.read(Digest(3, 0, 0, 0), into: target.storage))
    }

    @Test func `refuses a chunk of another length`() throws {
        let spill = try #require(ChunkSpill(directories, byteLimit: 10 << 20))
        let kept = chunk(1)
        spill.keep(Digest(1, 0, 0, 0), kept.bytes)
        let target = Buffer(capacity: 4096)
        #expect(!spill.read(Digest(1, 0, 0, 0), into: target.storage))
        #expect(!spill.read(Digest(9, 0, 0, 0), into: target.storage))
    }
}
