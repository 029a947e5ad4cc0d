import LifeboatCore
import LifeboatTesting
import Testing

@testable import LifeboatCodec

@Suite struct KeySplittingTests {
    /// What the Python package `shamir-mnemonic` 0.3.0 makes of a secret, when the bytes that it
    /// takes for random count up from 0x50.
    struct Vector: Sendable, CustomTestStringConvertible {
        var needed: Int
        var count: Int
        var secret: String
        /// By number; some of them where there are many.
        var parts: [Int: String]

        var testDescription: String { "\(needed) of \(count), \(secret.count / 2) bytes" }
    }

    private static let eighty =
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2021222324252627"
        + "28292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f"
    private static let twenty = "00ff80017f00ff80017f00ff80017f00ff80017f"

    static let vectors = [
        Vector(
            needed: 2, count: 3, secret: eighty,
            parts: [
                1:
                    "9bf9ff0403020100b6b7b4b50b0a0908c7c6c5c4c1c0c3c274757677c9c8cbcaf7f6f5f423222120"
                    + "969794952b2a2928e7e6e5e43b3a39388e8f8c8d33323130f2f3f0f126272425939291902e2f2c2d",
                2:
                    "06acc65057565554eaebe8e95f5e5d5c8b8a8988b5b4b7b608090a0bbdbcbfbebbbab9b877767574"
                    + "cacbc8c97f7e7d7cabaaa9a88f8e8d8c32333031878685843e3f3c3df2f3f0f14f4e4d4cfafbf8f9",
                3:
                    "ba538dacabaaa9a80e0f0c0da3a2a1a05f5e5d5c29282b2a8c8d8e8f212023226f6e6d6c8b8a8988"
                    + "2e2f2c2d838281807f7e7d7c48494a4bedecefee404142437170737295949796303132339d9c9f9e",
            ]),
        Vector(
            needed: 3, count: 5, secret: eighty,
            parts: [
                1:
                    "505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f7071727374757677"
                    + "78797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
                2:
                    "bcca95edf0f1f2f3f4f5f6f7f8f9fafbdcdddedfc0c1c2c3c4c5c6c7c8c9cacbecedeeef90919293"
                    + "9495969798999a9b7c7d7e7f606162636465666768696a6b0c0d0e0f303132333435363738393a3b",
                3:
                    "89e1c350d5d4d7d64d4c4f4edddcdfdea3a2a1a00001020398999a9b08090a0b3031323339383b3a"
                    + "a1a0a3a231303332e7e6e5e444454647dcdddedf4c4d4e4f69686b6aacadaeaf34353637a4a5a6a7",
                4:
                    "657a04ee71707372e1e0e3e279787b7a1f1e1d1ca4a5a6a734353637acadaeafacadaeafdddcdfde"
                    + "4d4c4f4ed5d4d7d61b1a1918a0a1a2a330313233a8a9aaabf5f4f7f608090a0b98999a9b00010203",
                5:
                    "91687bde28292a2b31303332202122234b4a49487071727369686b6a78797a7b67666564a0a1a2a3"
                    + "b9b8bbbaa8a9aaab68696a6b535251504a4b48495b5a59583c3d3e3f535251504a4b48495b5a5958",
            ]),
        Vector(
            needed: 3, count: 5, secret: "000102030405060708090a0b0c0d0e0f",
            parts: [
                1: "505152535455565758595a5b5c5d5e5f", 2: "d9327ab2303132333435363738393a3b",
                3: "f66f8ecb9a9b98990203000192939091", 4: "7f0ca62afefffcfd6e6f6c6df6f7f4f5",
                5: "8de0f767cbcac9c8d2d3d0d1c3c2c1c0",
            ]),
        Vector(
            needed: 16, count: 16, secret: twenty,
            parts: [
                1: "505152535455565758595a5b5c5d5e5f60616263",
                14: "5455565758595a5b5c5d5e5f6061626364656667",
                15: "3a9ef62f2cb39708d8da66611e87a63953cc7674",
                16: "4874fa70aabf9481f11ee620a97b796c6b7e41ae",
            ]),
        Vector(
            needed: 2, count: 16, secret: twenty,
            parts: [
                1: "8cddb1bddf29df29f9f1e2f18a6e837552a4a5ad",
                8: "f21bbc9a1285b12649275b84b4fd78ef1681234d",
                16: "62dfc197713baee4d76cddb32e0b4b017933ed56",
            ]),
        Vector(
            needed: 1, count: 2, secret: "000102030405060708090a0b0c0d0e0f",
            parts: [
                1: "000102030405060708090a0b0c0d0e0f", 2: "000102030405060708090a0b0c0d0e0f",
            ]),
    ]

    @Test(arguments: vectors) func `makes the parts that another implementation makes`(
        vector: Vector
    ) throws {
        var next: UInt8 = 0x50
        let secret = SecretBytes(try hex(vector.secret))
        let parts = KeySplitting.split(secret, needed: vector.needed, of: vector.count) { count in
            let bytes = (0..<count).map { next &+ UInt8(truncatingIfNeeded: $0) }
            next &+= UInt8(truncatingIfNeeded: count)
            return SecretBytes(bytes)
        }
        #expect(parts.map(\.number) == Array(1...vector.count))
        for (number, expected) in vector.parts {
            #expect(content(parts[number - 1].bytes) == (try hex(expected)), "part \(number)")
        }
    }

    @Test(arguments: vectors) func `joins the parts of another implementation`(
        vector: Vector
    ) throws {
        let parts = try vector.parts.sorted { $0.key < $1.key }.map {
            KeySplitting.Part(number: $0.key, bytes: SecretBytes(try hex($0.value)))
        }
        let secret = SecretBytes(try hex(vector.secret))
        guard parts.count >= vector.needed else { return }
        for subset in subsets(parts, of: vector.needed) {
            #expect(try KeySplitting.join(subset, needed: vector.needed) == secret)
            #expect(try KeySplitting.join(subset.reversed(), needed: vector.needed) == secret)
        }
        #expect(try KeySplitting.join(parts, needed: vector.needed) == secret)
    }

    @Test(arguments: TestSeeds.all) func `enough parts join, one fewer do not`(seed: UInt64) throws
    {
        var random = SeededGenerator(seed: seed)
        let secret = SecretBytes(random.bytes(Int.random(in: 16...100, using: &random)))
        let count = Int.random(in: 2...8, using: &random)
        let needed = Int.random(in: 2...count, using: &random)
        let parts = KeySplitting.split(secret, needed: needed, of: count) {
            SecretBytes(random.bytes($0))
        }
        for subset in subsets(parts, of: needed) {
            #expect(try KeySplitting.join(subset, needed: needed) == secret)
        }
        for subset in subsets(parts, of: needed - 1) {
            expect(.refused) { _ = try KeySplitting.join(subset, needed: needed) }
            // Nor does it help to claim that fewer are needed.
            if needed > 2 {
                expect(.wrongKey) { _ = try KeySplitting.join(subset, needed: needed - 1) }
            } else {
                #expect(try KeySplitting.join(subset, needed: 1) != secret)
            }
        }
    }

    @Test(arguments: TestSeeds.all) func `a changed bit is noticed`(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let parts = KeySplitting.split(SecretBytes(random.bytes(80)), needed: 3, of: 5)
        for index in 0..<80 {
            var bytes = content(parts[2].bytes)
            bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            let changed = KeySplitting.Part(number: 3, bytes: SecretBytes(bytes))
            expect(.wrongKey) {
                _ = try KeySplitting.join([parts[0], changed, parts[4]], needed: 3)
            }
            // Also where there are more parts than are needed.
            expect(.wrongKey) {
                _ = try KeySplitting.join([parts[0], parts[1], changed, parts[4]], needed: 3)
            }
        }
    }

    @Test func `each split is another one`() throws {
        let secret = SecretBytes(noise(80))
        let one = KeySplitting.split(secret, needed: 2, of: 3)
        let other = KeySplitting.split(secret, needed: 2, of: 3)
        for (left, right) in zip(one, other) { #expect(left.bytes != right.bytes) }
        expect(.wrongKey) { _ = try KeySplitting.join([one[0], other[1]], needed: 2) }
    }

    @Test func `refuses what are no parts of one secret`() {
        let parts = KeySplitting.split(SecretBytes(noise(80)), needed: 2, of: 3)
        let short = KeySplitting.Part(number: 2, bytes: SecretBytes(noise(79)))
        let none = KeySplitting.Part(number: 2, bytes: SecretBytes([]))
        let numbers = [0, -1, 17, 255, 1000].map {
            KeySplitting.Part(number: $0, bytes: parts[1].bytes)
        }
        for wrong in [parts[0], short, none] + numbers {
            expect(.refused) { _ = try KeySplitting.join([parts[0], wrong], needed: 2) }
        }
        expect(.refused) { _ = try KeySplitting.join([], needed: 1) }
        expect(.refused) { _ = try KeySplitting.join(parts, needed: 0) }
        expect(.wrongKey) { _ = try KeySplitting.join(parts, needed: 1) }
    }

    @Test func `the field is one`() {
        for left in UInt8.min...UInt8.max {
            #expect(GaloisField.product(left, 1) == left)
            #expect(GaloisField.product(left, GaloisField.inverse(left)) == (left == 0 ? 0 : 1))
        }
        // FIPS 197, 4.2.
        #expect(GaloisField.product(0x57, 0x83) == 0xc1)
        #expect(GaloisField.product(0x57, 0x13) == 0xfe)
    }

    private func content(_ bytes: SecretBytes) -> [UInt8] { bytes.withBytes { Array($0) } }

    /// All choices of so many elements, each in order.
    private func subsets<Element>(_ all: [Element], of count: Int) -> [[Element]] {
        if count == 0 { return [[]] }
        guard all.count >= count, let first = all.first else { return [] }
        let rest = Array(all.dropFirst())
        return subsets(rest, of: count - 1).map { [first] + $0 } + subsets(rest, of: count)
    }
}
