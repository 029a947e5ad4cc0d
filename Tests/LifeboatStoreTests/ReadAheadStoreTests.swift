import LifeboatCore
import LifeboatTesting
import Testing

@testable import LifeboatStore

@Suite struct ReadAheadStoreTests {
    @Test func `it does what every store does`() {
        #expect(StoreConformance.failures(of: ReadAheadStore(MemoryStore())) == [])
    }

    /// Parts of any size at any place, with blocks that are dropped and fetched again.
    @Test(arguments: TestSeeds.all)
    func `every part is what the store has`(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let memory = MemoryStore()
        let block = ReadAheadStore.blockByteCount
        let sizes = [1, block - 1, block, block + 1, 3 * block, 11 * block + 77]
        var contents: [ObjectName: [UInt8]] = [:]
        for (number, size) in sizes.enumerated() {
            let name = ObjectName("o/\(number)")
            contents[name] = generator.bytes(size)
            try memory.put(name, bytes: contents[name] ?? [])
        }
        let store = ReadAheadStore(memory, limit: 4 * block)
        for _ in 0..<60 {
            let name = ObjectName("o/\(Int.random(in: 0..<sizes.count, using: &generator))")
            let content = try #require(contents[name])
            let offset = Int.random(in: 0...content.count + 10, using: &generator)
            let count = Int.random(in: 1...3 * block, using: &generator)
            var found = [UInt8](repeating: 0, count: count)
            let got = try found.withMutableBytes { raw throws(LifeboatError) in
                try store.read(name, at: UInt64(offset), into: raw)
            }
            #expect(Array(found[..<got]) == Array(content.dropFirst(offset).prefix(count)))
        }
    }

    @Test func `small parts in a row take few requests`() throws {
        let memory = MemoryStore()
        try memory.put("o", bytes: [UInt8](repeating: 1, count: 2 << 20))
        let inner = FaultStore(memory)
        let store = ReadAheadStore(inner)
        var bytes = [UInt8](repeating: 0, count: 16 << 10)
        for offset in stride(from: UInt64(0), to: 2 << 20, by: bytes.count) {
            let got = try bytes.withMutableBytes { raw throws(LifeboatError) in
                try store.read("o", at: offset, into: raw)
            }
            #expect(got == bytes.count)
        }
        // Of 16 blocks the first comes alone, the others by eights.
        #expect(inner.count(.read) == 3)
    }

    /// As an opened pack is read: its header, then its directory from behind.
    @Test(arguments: [1, 100_000, 400_000, 700_001, 3_000_000])
    func `beginning and end come with two requests`(size: Int) throws {
        let memory = MemoryStore()
        var generator = SeededGenerator(seed: 1)
        let content = generator.bytes(size)
        try memory.put("o", bytes: content)
        let inner = FaultStore(memory)
        let store = ReadAheadStore(inner)
        #expect(try store.sizeAndEnds("o") == UInt64(size))
        #expect(try store.sizeAndEnds("other") == nil)
        for (offset, count) in [(0, 72), (72, 5000), (size - 500_000, 500_000), (size - 24, 24)] {
            let start = min(size, max(0, offset))
            let range = start..<min(size, start + count)
            for part in stride(from: range.lowerBound, to: range.upperBound, by: 100_000) {
                var found = [UInt8](repeating: 0, count: min(100_000, range.upperBound - part))
                _ = try found.withMutableBytes { raw throws(LifeboatError) in
                    try store.read("o", at: UInt64(part), into: raw)
                }
                #expect(found == Array(content[part..<part + found.count]))
            }
        }
        #expect(inner.count(.read) <= 2)
    }

    @Test func `what was deleted and put again is read anew`() throws {
        let store = ReadAheadStore(MemoryStore())
        for bytes in [[1, 2, 3], [4, 5]] as [[UInt8]] {
            try store.put("o", bytes: bytes)
            var found = [UInt8](repeating: 0, count: 9)
            let got = try found.withMutableBytes { raw throws(LifeboatError) in
                try store.read("o", at: 0, into: raw)
            }
            #expect(Array(found[..<got]) == bytes)
            try store.delete("o")
        }
        #expect(
            code { () throws(LifeboatError) in
                var found = [UInt8](repeating: 0, count: 9)
                _ = try found.withMutableBytes { raw throws(LifeboatError) in
                    try store.read("o", at: 0, into: raw)
                }
            } == .missing)
    }
}
