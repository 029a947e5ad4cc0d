import LifeboatCore
import LifeboatFormat
import LifeboatTesting
import Testing

@Suite struct BlockMapTests {
    @Test(arguments: [
        (UInt64(0), 0), (1, 1), (2, 1), (32, 1), (33, 2), (1024, 2), (1025, 3), (32768, 3),
        (32769, 4), (1 << 30, 6), (1 << 50, 10), (1 << 60, 12),
    ])
    func `has the fewest levels that reach`(chunks: UInt64, levels: Int) {
        #expect(BlockMapShape.levels(chunkCount: chunks) == levels)
    }

    @Test(arguments: [
        (UInt64(0), UInt64(0)), (1, 1), (65535, 1), (65536, 1), (65537, 2),
        (UInt64(Int64.max), 1 << 47),
    ])
    func `counts chunks`(size: UInt64, chunks: UInt64) {
        #expect(BlockMapShape.chunkCount(size: size, chunkSize: 65536) == chunks)
    }

    @Test func `a child spans a power of 32`() {
        #expect((0..<4).map { BlockMapShape.childSpan(level: $0) } == [1, 32, 1024, 32768])
    }

    @Test func `nodes survive, and leave trailing zeros out`() throws {
        let bytes = try #require(Samples.node.encoded())
        #expect(bytes.count == 2 + 6 * 32)
        let node = try Self.decode(bytes, level: 1)
        #expect(node.children == Samples.node.children)
        #expect(BlockMapNode.empty(level: 0).encoded() == nil)
    }

    @Test func `refuses what is not the one encoding`() throws {
        let bytes = try #require(Samples.node.encoded())
        let wrong: [(String, [UInt8])] = [
            ("nothing", []), ("a head alone", [1, 0]), ("another level", [0] + bytes.dropFirst()),
            ("a byte too many", bytes + [0]), ("a byte too few", bytes.dropLast()),
            ("a trailing zero id", [1, 7] + bytes.dropFirst(2) + [UInt8](repeating: 0, count: 32)),
            ("33 children", [1, 33] + [UInt8](repeating: 1, count: 33 * 32)),
        ]
        for (name, bytes) in wrong {
            expectFault(.damaged, "\(name)") { _ = try Self.decode(bytes, level: 1) }
        }
    }

    static func decode(_ bytes: [UInt8], level: Int) throws -> BlockMapNode {
        try bytes.withUnsafeBytes {
            try BlockMapNode(decoding: $0, level: level, subject: "node")
        }
    }
}

@Suite struct PackTests {
    private func decode(_ bytes: [UInt8], keyCount: Int = 1) throws -> PackDirectory {
        try PackDirectory(
            decoding: bytes, framesOffset: Samples.framesOffset, framesEnd: Samples.framesEnd,
            keyCount: keyCount, subject: "pack")
    }

    @Test func `a directory survives, padded or not`() throws {
        let directory = Samples.packDirectory
        for padded in [0, directory.byteCount, 1024] {
            let decoded = try decode(directory.encoded(paddedTo: padded))
            #expect(decoded.frames == directory.frames)
            #expect(decoded.slots == directory.slots)
            #expect(decoded.firstSlots == [0, 2, 3])
        }
    }

    @Test func `an empty directory is fine`() throws {
        #expect(try decode(PackDirectory().encoded(paddedTo: 8)).frames.isEmpty)
    }

    @Test func `refuses frames that cannot be`() {
        func expect(_ name: String, _ change: (inout PackDirectory) -> Void) {
            var directory = Samples.packDirectory
            change(&directory)
            let bytes = directory.encoded(paddedTo: 512)
            expectFault(.damaged, "\(name)") { _ = try decode(bytes) }
        }
        expect("overlap") { $0.frames[1].offset -= 1 }
        expect("descending") { $0.frames.swapAt(0, 1) }
        expect("inside the key table") { $0.frames[0].offset = 1239 }
        expect("beyond the end") { $0.frames[1].sealedLength += 1 }
        expect("far beyond the end") { $0.frames[1].sealedLength = .max }
        expect("shorter than a tag") { $0.frames[1].sealedLength = 15 }
        expect("no such key") { $0.frames[0].keyIndex = 1 }
        expect("an unknown encoding") { $0.frames[0].encoding = 2 }
        expect("slots too long") { $0.slots[0].length += 1 }
        expect("slots too short") { $0.slots[2].length -= 1 }
        expect("a huge slot") { $0.slots[2].length = .max }
        expect("a slot too many") { $0.frames[1].slotCount = 2 }
        expect("a slot too few") { $0.frames[0].slotCount = 1 }
        expect("a huge frame") {
            $0.frames[1].plainLength = UInt32(PackLayout.frameByteLimit) + 1
            $0.slots[2].length = UInt32(PackLayout.frameByteLimit) + 1
        }
    }

    @Test func `refuses wrong counts and padding`() {
        let bytes = Samples.packDirectory.encoded(paddedTo: 512)
        for (offset, value) in [
            (0, UInt8(3)), (0, 1), (1, 255), (3, 255), (4, 4), (4, 2), (7, 255),
        ] {
            var wrong = bytes
            wrong[offset] = value
            expectFault(.damaged, "byte \(offset)") { _ = try decode(wrong) }
        }
        for offset in [Samples.packDirectory.byteCount, 511] {
            var wrong = bytes
            wrong[offset] = 1
            expectFault(.damaged, "padding") { _ = try decode(wrong) }
        }
        for count in [0, 7, 8, Samples.packDirectory.byteCount - 1] {
            expectFault(.damaged, "\(count) bytes") { _ = try decode(Array(bytes.prefix(count))) }
        }
    }

    @Test func `refuses headers that cannot be`() throws {
        let header = PackLayout.header(
            .metadata, keyCount: 255, repository: Samples.identifier(1),
            domain: Samples.identifier(2), salt: [UInt8](repeating: 3, count: 32))
        let parsed = try PackHeader(decoding: header + [1, 2], subject: "pack")
        #expect(parsed.framesOffset == 72 + 255 * 32)
        #expect(parsed.bytes == header)
        for (offset, value) in [(0, UInt8(0)), (6, 0), (6, 3), (7, 0)] {
            var wrong = header
            wrong[offset] = value
            expectFault(.damaged) { _ = try PackHeader(decoding: wrong, subject: "pack") }
        }
        expectFault(.damaged) {
            _ = try PackHeader(decoding: header.dropLast(), subject: "pack")
        }
        var newer = header
        newer[4] = 2
        expectFault(.unsupported) { _ = try PackHeader(decoding: newer, subject: "pack") }
    }
}

@Suite struct IndexTests {
    @Test(arguments: [
        (UInt64(0), 0), (64, 0), (65, 1), (129, 1), (130, 2), (1 << 25, 19), (.max, 24),
    ])
    func `has about 64 entries a bucket`(entries: UInt64, bits: Int) {
        #expect(IndexRunLayout.fanOutBits(entryCount: entries) == bits)
    }

    @Test func `puts an id into the bucket of its first bits`() {
        let shape = IndexTableShape(
            entryCount: 1000, packCount: 1, level: 0, first: 0, last: .max)
        #expect(shape.fanOutBits == 4)
        #expect(shape.bucket(of: Digest(0xA123_0000_0000_0000, 0, 0, 0)) == 10)
        #expect(shape.bucket(of: Digest(.max, .max, 0, 0)) == 15)
    }

    @Test func `buckets of a narrow run divide its own range`() {
        let shape = IndexTableShape(
            entryCount: 1000, packCount: 1, level: 1, first: 0x5000, last: 0x50FF)
        #expect(shape.shift == 56)
        #expect(shape.bucket(of: Digest(0x5000, 7, 0, 0)) == 0)
        #expect(shape.bucket(of: Digest(0x5010, 0, 0, 0)) == 1)
        #expect(shape.bucket(of: Digest(0x50FF, 0, 0, 0)) == 15)
        #expect(shape.bucket(of: Digest(0x4FFF, .max, 0, 0)) == nil)
        #expect(shape.bucket(of: Digest(0x5100, 0, 0, 0)) == nil)
        #expect(shape.bucket(of: Digest(.max, 0, 0, 0)) == nil)
    }

    private let shape = IndexTableShape(
        entryCount: 1000, packCount: 7, level: 3, first: 5, last: 1 << 40)

    @Test func `a table header survives`() throws {
        let decoded = try IndexTableShape(
            decoding: shape.encoded, available: UInt64(shape.byteCount), subject: "run")
        #expect(decoded == shape)
        #expect(shape.byteCount == 32 + 7 * 32 + 16 * 8 + 1000 * 40)
    }

    @Test func `refuses tables that cannot be`() {
        let available = UInt64(shape.byteCount)
        expectFault(.damaged, "a byte too few") {
            _ = try IndexTableShape(
                decoding: shape.encoded, available: available - 1, subject: "run")
        }
        for offset in [7, 11, 12, 14, 15, 24, 31] {
            var wrong = shape.encoded
            wrong[offset] = 255
            expectFault(.damaged, "byte \(offset)") {
                _ = try IndexTableShape(decoding: wrong, available: available, subject: "run")
            }
        }
        expectFault(.damaged, "no entry") {
            let bytes = [UInt8](repeating: 0, count: 32)
            _ = try IndexTableShape(decoding: bytes, available: 4096, subject: "run")
        }
        expectFault(.damaged) {
            _ = try IndexTableShape(
                decoding: shape.encoded.dropLast(), available: available, subject: "run")
        }
    }
}

@Suite struct SizeClassTests {
    @Test(arguments: [
        (0, 1024), (1, 1024), (1024, 1024), (1025, 1040), (2048, 2048), (2049, 2080), (5000, 5056),
        (65537, 66560), (1_000_000, 1_007_616), (33_554_431, 33_554_432),
        (33_554_433, 34_078_720),
    ])
    func `pads as the table of formats says`(count: Int, padded: Int) {
        #expect(SizeClass.padded(count) == padded)
    }

    @Test func `is monotone, tight and idempotent`() {
        var generator = SeededGenerator(seed: 1)
        let counts = Array(0..<5000) + (0..<20000).map { _ in Int(generator.next() >> 20) }
        var last = 0
        for count in counts.sorted() {
            let padded = SizeClass.padded(count)
            #expect(padded >= count)
            #expect(padded >= last)
            #expect(count <= 1024 || (padded - count) * 64 < count)
            #expect(SizeClass.padded(padded) == padded)
            last = padded
        }
    }
}
