import LifeboatCodec
import LifeboatCore
import Testing

@Suite struct KeyDerivationTests {
    @Test func `derives as RFC 5869 has it`() throws {
        let secret = SecretBytes([UInt8](repeating: 0x0b, count: 22))
        let first = try KeyDerivation.hkdf(
            secret: secret, salt: hex("000102030405060708090a0b0c"),
            info: hex("f0f1f2f3f4f5f6f7f8f9"), count: 42)
        #expect(
            try bytes(first)
                == hex(
                    """
                    3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf
                    34007208d5b887185865
                    """))
        let third = KeyDerivation.hkdf(secret: secret, salt: [], info: "", count: 42)
        #expect(
            try bytes(third)
                == hex(
                    """
                    8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d
                    9d201395faa4b61a96c8
                    """))
    }

    /// A key of one block is derived by other code than a longer one.
    @Test(arguments: [0, 16, 32, 64, 65, 100], [1, 16, 31, 32])
    func `a short key is the beginning of a long one`(salt: Int, count: Int) {
        let secret = SecretBytes.random(count: 32)
        let salt = randomBytes(salt)
        let short = KeyDerivation.hkdf(secret: secret, salt: salt, info: "a", count: count)
        let long = KeyDerivation.hkdf(secret: secret, salt: salt, info: "a", count: 64)
        #expect(short.withBytes { Array($0) } == long.withBytes { Array($0.prefix(count)) })
    }

    @Test func `derives another key for another purpose`() {
        let secret = SecretBytes(noise(32))
        let one = KeyDerivation.hkdf(secret: secret, salt: [], info: "one")
        let two = KeyDerivation.hkdf(secret: secret, salt: [], info: "two")
        #expect(one.count == 32)
        #expect(one != two)
    }

    /// RFC 7914, section 12; the first has an empty password and an empty salt.
    @Test func `derives from passwords as RFC 7914 has it`() throws {
        let empty = try KeyDerivation.scrypt(
            password: SecretBytes([]), salt: [], logCost: 4, blockSize: 1, parallelism: 1, count: 64
        )
        #expect(
            try bytes(empty)
                == hex(
                    """
                    77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442
                    fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906
                    """))
        let large = try KeyDerivation.scrypt(
            password: SecretBytes(Array("pleaseletmein".utf8)), salt: Array("SodiumChloride".utf8),
            logCost: 14, blockSize: 8, parallelism: 1, count: 64)
        #expect(
            try bytes(large)
                == hex(
                    """
                    7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2
                    d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887
                    """))
    }

    @Test(arguments: [
        (19, 8, 1), (18, 9, 1), (0, 8, 1), (-1, 8, 1), (14, 0, 1), (14, 8, 0), (14, 8, 17),
        (16, 1, 1), (63, 8, 1), (14, Int.max, 1), (Int.max, Int.max, Int.max), (Int.min, 8, 1),
    ])
    func `refuses a cost out of bounds`(logCost: Int, blockSize: Int, parallelism: Int) {
        expect(.damaged) {
            _ = try KeyDerivation.scrypt(
                password: SecretBytes([1]), salt: [2], logCost: logCost, blockSize: blockSize,
                parallelism: parallelism)
        }
    }

    private func bytes(_ secret: SecretBytes) -> [UInt8] { secret.withBytes { Array($0) } }
}
