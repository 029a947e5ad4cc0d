import LifeboatCore
import LifeboatFormat
import LifeboatTesting
import Testing

@testable import LifeboatArchive

@Suite struct RecoveryKeyPartTests {
    /// The example of formats/keys.md.
    private let example = [
        """
        lifeboat recovery key part 1
        set 5f3a part 1 of 3 needed 2 bc40
        1 0001 0203 0405 0607 0809 0a0b 0c0d 0e0f 97ee
        2 9bf9 ff04 0302 0100 b6b7 b4b5 0b0a 0908 b0a6
        3 c7c6 c5c4 c1c0 c3c2 7475 7677 c9c8 cbca 86da
        4 f7f6 f5f4 2322 2120 9697 9495 2b2a 2928 fe53
        5 e7e6 e5e4 3b3a 3938 8e8f 8c8d 3332 3130 d7a9
        6 f2f3 f0f1 2627 2425 9392 9190 2e2f 2c2d 9f9c
        """,
        """
        lifeboat recovery key part 2
        set 5f3a part 2 of 3 needed 2 279c
        1 0001 0203 0405 0607 0809 0a0b 0c0d 0e0f c93b
        2 06ac c650 5756 5554 eaeb e8e9 5f5e 5d5c 31d8
        3 8b8a 8988 b5b4 b7b6 0809 0a0b bdbc bfbe c548
        4 bbba b9b8 7776 7574 cacb c8c9 7f7e 7d7c 5cc4
        5 abaa a9a8 8f8e 8d8c 3233 3031 8786 8584 f267
        6 3e3f 3c3d f2f3 f0f1 4f4e 4d4c fafb f8f9 37c1
        """,
        """
        lifeboat recovery key part 3
        set 5f3a part 3 of 3 needed 2 5128
        1 0001 0203 0405 0607 0809 0a0b 0c0d 0e0f fc88
        2 ba53 8dac abaa a9a8 0e0f 0c0d a3a2 a1a0 be97
        3 5f5e 5d5c 2928 2b2a 8c8d 8e8f 2120 2322 d732
        4 6f6e 6d6c 8b8a 8988 2e2f 2c2d 8382 8180 7d90
        5 7f7e 7d7c 4849 4a4b edec efee 4041 4243 c07a
        6 7170 7372 9594 9796 3031 3233 9d9c 9f9e cc4f
        """,
    ]

    private func join(_ parts: [RecoveryKeyPart]) throws(LifeboatError) -> RecoveryKey {
        try RecoveryKey(joining: try RecoveryKeyPartSet(parts.map { ("part", $0) }))
    }

    @Test func `any two parts of the page's example make its key`() throws {
        let parts = try example.map { try RecoveryKeyPart(parsing: $0) }
        for pair in [[0, 1], [0, 2], [1, 2], [2, 0], [0, 1, 2]] {
            #expect(try join(pair.map { parts[$0] }).bytes == (0..<80).map { UInt8($0) })
        }
    }

    @Test(arguments: [(1, 1), (1, 3), (2, 3), (3, 5), (16, 16)]) func `a key survives`(
        needed: Int, total: Int
    ) throws {
        let key = RecoveryKey.generate(repository: .random())
        let parts = key.split(needed: needed, of: total)
        #expect(parts.map(\.number) == Array(1...total))
        #expect(Set(parts.map(\.set)).count == 1)
        #expect(try join(parts.shuffled().suffix(needed)).bytes == key.bytes)
        #expect(parts.allSatisfy { needed == 1 || $0.bytes != key.bytes })
    }

    @Test(arguments: TestSeeds.all) func `a flipped bit that no checksum shows is noticed`(
        seed: UInt64
    ) throws {
        var random = SeededGenerator(seed: seed)
        let key = RecoveryKey.generate(repository: .random())
        let parts = key.split(needed: 3, of: 5)
        let right = parts[random.below(5)]
        var bytes = right.bytes
        bytes[random.below(80)] ^= 1 << UInt8(random.below(8))
        let wrong = RecoveryKeyPart(
            set: right.set, number: right.number, needed: 3, total: 5,
            repository: right.repository, bytes: bytes)
        let others = parts.filter { $0.number != right.number }
        for count in 2...4 {
            #expect(
                code { () throws(LifeboatError) in _ = try join(others.prefix(count) + [wrong]) }
                    == .wrongKey)
        }
        #expect(try join(others).bytes == key.bytes)
    }

    @Test func `the repository that parts name must be the key's`() throws {
        for needed in [1, 2] {
            let key = RecoveryKey.generate(repository: .random())
            let foreign = Identifier.random()
            let parts = key.split(needed: needed, of: 2).map {
                RecoveryKeyPart(
                    set: $0.set, number: $0.number, needed: needed, total: 2, repository: foreign,
                    bytes: $0.bytes)
            }
            #expect(code { () throws(LifeboatError) in _ = try join(parts) } == .wrongKey)
        }
    }
}
