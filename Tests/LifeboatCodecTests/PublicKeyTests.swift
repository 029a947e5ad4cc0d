import LifeboatCodec
import LifeboatCore
import Testing

@Suite struct RecoverySealingTests {
    private let seed = SecretBytes(Array(0..<32))
    private let secret = SecretBytes(Array("thirty-two bytes of master key!!".utf8))
    private let info = Array("test".utf8)

    @Test func `opens what it sealed`() throws {
        let publicKey = try RecoverySealing.publicKey(seed: seed)
        #expect(publicKey.count == RecoverySealing.publicKeyByteCount)
        let box = try RecoverySealing.seal(secret, to: publicKey, info: info)
        #expect(box.encapsulation.count == RecoverySealing.encapsulationByteCount)
        #expect(box.sealed.count == secret.count + 16)
        let opened = try RecoverySealing.open(
            encapsulation: box.encapsulation, sealed: box.sealed, seed: seed, info: info)
        #expect(opened == secret)
    }

    @Test func `does not open with another key, purpose or text`() throws {
        let publicKey = try RecoverySealing.publicKey(seed: seed)
        let box = try RecoverySealing.seal(secret, to: publicKey, info: info)
        let other = RecoverySealing.generateSeed()
        #expect(other.count == RecoverySealing.seedByteCount)
        func open(
            _ encapsulation: [UInt8], _ sealed: [UInt8], _ seed: SecretBytes, _ info: [UInt8]
        ) throws {
            _ = try RecoverySealing.open(
                encapsulation: encapsulation, sealed: sealed, seed: seed, info: info)
        }
        expect(.wrongKey) { try open(box.encapsulation, box.sealed, other, info) }
        expect(.wrongKey) { try open(box.encapsulation, box.sealed, seed, []) }
        for index in [0, 600, 1119] {
            var bad = box.encapsulation
            bad[index] ^= 1
            expect(.wrongKey) { try open(bad, box.sealed, seed, info) }
        }
        var bad = box.sealed
        bad[0] ^= 1
        expect(.wrongKey) { try open(box.encapsulation, bad, seed, info) }
        expect(.damaged) { try open(Array(box.encapsulation.dropLast()), box.sealed, seed, info) }
        expect(.damaged) { try open(box.encapsulation, [], seed, info) }
        expect(.wrongKey) { try open(box.encapsulation, box.sealed, SecretBytes([1]), info) }
    }

    @Test func `refuses what is no public key`() {
        for count in [0, 32, 1215, 1217] {
            expect(.damaged) { _ = try RecoverySealing.seal(secret, to: noise(count), info: info) }
        }
        let wild = [UInt8](repeating: 0xFF, count: RecoverySealing.publicKeyByteCount)
        expect(.damaged) { _ = try RecoverySealing.seal(secret, to: wild, info: info) }
    }
}

@Suite struct SigningKeyTests {
    /// RFC 8032, section 7.1, tests 1 to 3: seed, public key, message, signature.
    static let vectors = [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
            """
            e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555
            fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b
            """
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
            """
            92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da
            085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00
            """
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
            """
            6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac
            18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a
            """
        ),
    ]

    @Test(arguments: vectors.indices)
    func `signs as RFC 8032 has it`(index: Int) throws {
        let (seed, publicKey, message, signature) = Self.vectors[index]
        let key = try SigningKey(seed: SecretBytes(hex(seed)))
        #expect(try key.publicKey == hex(publicKey))
        #expect(try key.sign(hex(message)) == hex(signature))
        #expect(
            try Signature.isValid(hex(signature), of: hex(message), by: hex(publicKey)))
    }

    @Test func `refuses garbage without a fuss`() throws {
        let key = SigningKey.generate()
        let message = noise(100)
        let signature = key.sign(message)
        #expect(Signature.isValid(signature, of: message, by: key.publicKey))
        #expect(try SigningKey(seed: key.seed).publicKey == key.publicKey)
        for index in signature.indices {
            var bad = signature
            bad[index] ^= 1
            #expect(!Signature.isValid(bad, of: message, by: key.publicKey))
        }
        #expect(!Signature.isValid(signature, of: [], by: key.publicKey))
        #expect(!Signature.isValid(signature, of: message, by: SigningKey.generate().publicKey))
        for count in [0, 1, 31, 33, 64] {
            #expect(!Signature.isValid(signature, of: message, by: noise(count)))
        }
        for count in [0, 1, 63, 65] {
            #expect(!Signature.isValid(noise(count), of: message, by: key.publicKey))
        }
        #expect(
            !Signature.isValid(
                [UInt8](repeating: 0xFF, count: 64), of: message,
                by: [UInt8](repeating: 0xFF, count: 32)))
        expect(.damaged) { _ = try SigningKey(seed: SecretBytes([1, 2, 3])) }
    }
}
