import LifeboatCodec
import LifeboatCore
import Testing

@Suite struct ZstandardTests {
    private static let levels: [Int32] = [-5, 1, 3, 19, 22]

    private func text(_ count: Int) -> [UInt8] {
        Array(noise(count).map { $0 % 5 + UInt8(ascii: "a") })
    }

    private func pack(_ plain: [UInt8], level: Int32 = 3, windowLog: Int32? = nil) throws
        -> [UInt8]
    {
        let compressor = Compressor(level: level, windowLog: windowLog)
        var packed = [UInt8](repeating: 0, count: Compressor.bound(plain.count))
        let count = try plain.withUnsafeBytes { plain in
            try packed.withUnsafeMutableBytes { try compressor.compress(plain, into: $0) }
        }
        return Array(packed.prefix(count))
    }

    private func unpack(
        _ packed: [UInt8], count: Int, prefix: Bool = false, with given: Decompressor? = nil
    ) throws -> [UInt8] {
        let decompressor = given ?? Decompressor()
        var plain = [UInt8](repeating: 0xEE, count: count)
        try packed.withUnsafeBytes { packed in
            try plain.withUnsafeMutableBytes {
                if prefix {
                    try decompressor.decompressPrefix(packed, into: $0)
                } else {
                    try decompressor.decompress(packed, into: $0)
                }
            }
        }
        return plain
    }

    @Test(arguments: [0, 1, 100, 65536, 1_000_000], levels)
    func `gives back what it packed`(count: Int, level: Int32) throws {
        let plain = text(count)
        let packed = try pack(plain, level: level)
        #expect(try unpack(packed, count: count) == plain)
        let half = count / 2
        #expect(try unpack(packed, count: half, prefix: true) == Array(plain.prefix(half)))
        #expect(try unpack(packed, count: count, prefix: true) == plain)
    }

    @Test func `decodes the first bytes of a large frame, and then whole frames`() throws {
        let plain = [UInt8](repeating: 0, count: 20 << 20) + text(1000)
        let packed = try pack(plain, level: 20)
        let decompressor = Decompressor()
        for count in [1, 4096, 300_000, 17] {
            let start = try unpack(packed, count: count, prefix: true, with: decompressor)
            #expect(start == Array(plain.prefix(count)))
        }
        #expect(try unpack(packed, count: plain.count, with: decompressor) == plain)
    }

    @Test func `refuses wrong sizes`() throws {
        let packed = try pack(text(1000))
        for count in [0, 999, 1001, 1 << 20] {
            expect(.damaged) { _ = try unpack(packed, count: count) }
        }
        expect(.damaged) { _ = try unpack(packed, count: 1001, prefix: true) }
    }

    @Test func `refuses frames cut short or followed by more`() throws {
        let packed = try pack(text(1000))
        for count in packed.indices {
            let short = Array(packed.prefix(count))
            expect(.damaged) { _ = try unpack(short, count: 1000) }
            expect(.damaged) { _ = try unpack(short, count: 1000, prefix: true) }
        }
        expect(.damaged) { _ = try unpack(packed + [0], count: 1000) }
        let empty = try pack([])
        expect(.damaged) { _ = try unpack(packed + empty, count: 1000) }
    }

    @Test func `survives any flipped bit`() throws {
        let plain = text(2000)
        let packed = try pack(plain)
        let decompressor = Decompressor()
        for bit in 0..<packed.count * 8 {
            var bad = packed
            bad[bit / 8] ^= 1 << UInt8(bit % 8)
            for prefix in [true, false] {
                // There is no checksum in the frame: a flip may decode, to the right count of bytes.
                do {
                    _ = try unpack(bad, count: 2000, prefix: prefix, with: decompressor)
                } catch let error as LifeboatError {
                    #expect(error.code == .damaged)
                }
            }
        }
        #expect(try unpack(packed, count: 2000, with: decompressor) == plain)
    }

    @Test func `refuses what is not a frame of zstd`() throws {
        expect(.damaged) { _ = try unpack([], count: 0) }
        // A skippable frame of no bytes.
        expect(.damaged) { _ = try unpack(hex("502a4d18 00000000"), count: 0) }
        for seed in UInt64(1)...200 {
            let bytes = try hex("28b52ffd") + noise(Int(seed), seed: seed)
            for prefix in [true, false] {
                expect(.damaged) { _ = try unpack(bytes, count: 100_000, prefix: prefix) }
            }
        }
    }

    @Test func `refuses a window over 8 MiB`() throws {
        // Magic; no content size, not a single segment; a window of 2^24; one raw block of "a".
        let frame = try hex("28b52ffd 00 70 090000 61")
        expect(.damaged) { _ = try unpack(frame, count: 1, prefix: true) }
        // The same with a window of 2^20 decodes.
        #expect(try unpack(hex("28b52ffd 00 50 090000 61"), count: 1, prefix: true) == [0x61])
    }

    @Test func `says so when there is no room`() {
        let plain = noise(1000)
        var out = [UInt8](repeating: 0, count: 10)
        let compressor = Compressor(level: 3, windowLog: 20)
        plain.withUnsafeBytes { plain in
            out.withUnsafeMutableBytes { out in
                expect(.internalFault) { _ = try compressor.compress(plain, into: out) }
            }
        }
    }
}
