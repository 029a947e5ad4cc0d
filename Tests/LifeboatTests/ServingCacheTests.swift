import LifeboatCore
import LifeboatSystem
import LifeboatTesting
import Testing

@testable import Lifeboat

/// What keeps frames and finds out who reads in order.
@Suite struct ServingCacheTests {
    private static func name(_ number: Int) -> FrameName {
        FrameName(pack: Digest(1, 2, 3, 4), frame: number)
    }

    @Test(arguments: TestSeeds.all)
    func `sealed frames come back whole or not at all`(seed: UInt64) throws {
        let folder = try TemporaryDirectory()
        let limit: UInt64 = 100_000
        let cache = try #require(SealedFrameCache(directory: folder.path, limit: limit))
        var generator = SeededGenerator(seed: seed)
        var contents: [Int: [UInt8]] = [:]
        var hits = 0
        for _ in 0..<400 {
            let number = Int.random(in: 0..<60, using: &generator)
            let bytes =
                contents[number]
                ?? generator.bytes(Int.random(in: 1...20_000, using: &generator))
            contents[number] = bytes
            if Bool.random(using: &generator) {
                bytes.withUnsafeBytes { cache.keep(Self.name(number), $0) }
            }
            if Int.random(in: 0..<9, using: &generator) == 0 { cache.drop(Self.name(number)) }
            var got = [UInt8](repeating: 0, count: bytes.count)
            if got.withUnsafeMutableBytes({ cache.read(Self.name(number), into: $0) }) {
                #expect(got == bytes)
                hits += 1
            }
            #expect(cache.byteCount <= limit)
        }
        #expect(hits > 20)
        #expect(cache.count > 2)
    }

    @Test func `the cache leaves no file behind`() throws {
        let folder = try TemporaryDirectory()
        let cache = try #require(SealedFrameCache(directory: folder.path, limit: 1000))
        [1, 2, 3].withUnsafeBytes { cache.keep(Self.name(1), $0) }
        #expect(try Files.list(folder.path).isEmpty)
        #expect(SealedFrameCache(directory: folder.path, limit: 0) == nil)
    }

    @Test func `a frame is fetched once however many ask`() throws {
        let cache = FrameCache(limit: 1 << 20)
        let fetches = Guarded(0)
        Threads.run(count: 8, name: "ask") { _ in
            for number in 0..<20 {
                _ = try? cache.frame(Self.name(number)) { () throws(LifeboatError) in
                    fetches.withLock { $0 += 1 }
                    Threads.sleep(seconds: 0.001)
                    return DecodedFrame(
                        name: Self.name(number), ids: [Digest(9, 9, 9, UInt64(number))],
                        offsets: [0, 100], buffer: Buffer(capacity: 100))
                }
            }
        }
        #expect(fetches.withLock { $0 } == 20)
        #expect(cache.byteCount == 2000)
        #expect(cache.chunk(Digest(9, 9, 9, 7))?.frame.name == Self.name(7))
    }

    @Test func `a fetch that failed is tried again`() throws {
        let cache = FrameCache(limit: 1 << 20)
        let fault = LifeboatError(.unavailable, "away")
        #expect(throws: fault) {
            try cache.frame(Self.name(1)) { () throws(LifeboatError) in throw fault }
        }
        _ = try cache.frame(Self.name(1)) { () throws(LifeboatError) in
            DecodedFrame(
                name: Self.name(1), ids: [nil], offsets: [0, 1], buffer: Buffer(capacity: 1))
        }
    }

    @Test func `only who reads in order is read ahead of`() {
        let reads = SequentialReads(window: 8 << 20)
        var generator = SeededGenerator(seed: 1)
        for _ in 0..<200 {
            let offset = UInt64.random(in: 0..<1 << 30, using: &generator) * 1024
            #expect(reads.note(offset: offset, count: 4096) == nil)
        }
        var ahead: UInt64 = 0
        for offset in stride(from: UInt64(5 << 40), to: 5 << 40 + 64 << 20, by: 65536) {
            if let range = reads.note(offset: offset, count: 65536) {
                // Each byte is asked for once, and not too far off.
                #expect(ahead == 0 || range.lowerBound == ahead)
                #expect(range.upperBound <= offset + 65536 + 8 << 20)
                ahead = range.upperBound
            }
        }
        #expect(ahead > 5 << 40 + 64 << 20)
    }

    @Test func `helpers do what is urgent, and end`() {
        let helpers = ReadHelpers(count: 3)
        let done = Guarded(0)
        let condition = Condition()
        for number in 0..<40 {
            helpers.ask(isUrgent: number.isMultiple(of: 2)) {
                condition.withLock {
                    done.withLock { $0 += 1 }
                    condition.broadcast()
                }
            }
        }
        condition.withLock {
            while done.withLock({ $0 < 40 }), condition.wait(seconds: 30) {}
        }
        #expect(done.withLock { $0 } == 40)
        helpers.close()
        helpers.ask(isUrgent: true) { done.withLock { $0 += 1 } }
        #expect(done.withLock { $0 } == 40)
    }
}
