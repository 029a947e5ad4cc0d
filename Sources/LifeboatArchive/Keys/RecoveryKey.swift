import LifeboatCodec
public import LifeboatCore
import LifeboatFormat
import LifeboatSystem

/// The key that reads everything back, and the root key that says who may write.
public struct RecoveryKey: Sendable {
    public let repository: Identifier
    let seed: SecretBytes
    let root: SigningKey
    /// The private keys of replaced recovery keys, which open older packs; the newest first.
    private(set) var earlierSeeds: [SecretBytes] = []

    /// Makes a new key for a new repository.
    public static func generate(repository: Identifier) -> RecoveryKey {
        RecoveryKey(
            repository: repository, seed: RecoverySealing.generateSeed(),
            root: SigningKey.generate())
    }

    private init(repository: Identifier, seed: SecretBytes, root: SigningKey) {
        self.repository = repository
        self.seed = seed
        self.root = root
    }

    /// Reads a recovery key file.
    ///
    /// - Throws: `.wrongKey` that says what is wrong with the file, `.missing`, `.denied`.
    public init(file path: String) throws(LifeboatError) {
        let bytes = try Files.readWhole(path, limit: 65536)
        let text = String(decoding: bytes, as: UTF8.self)
        let key: [UInt8]
        do {
            key = try RecoveryKeyText.parse(text)
        } catch {
            throw error.about(path)
        }
        guard let repository = Identifier(Array(key[0..<16])) else {
            throw LifeboatError(.wrongKey, "the recovery key is incomplete", subject: path)
        }
        self.repository = repository
        seed = SecretBytes(Array(key[16..<48]))
        root = try SigningKey(seed: SecretBytes(Array(key[48..<80])))
    }

    /// The private keys that packs may be sealed to, the likeliest first.
    var seeds: [SecretBytes] { [seed] + earlierSeeds }

    /// HPKE info that ties the sealed seed of an earlier key to its repository and public key.
    static func earlierSeedInfo(repository: Identifier, publicKey: [UInt8]) -> [UInt8] {
        Array("lifeboat earlier recovery seed".utf8) + repository.bytes
            + SHA256Hash.digest(publicKey).bytes
    }

    /// This key with the private keys of all earlier ones, opened from a configuration.
    func withEarlierSeeds(
        of configuration: Configuration
    ) throws(LifeboatError) -> RecoveryKey {
        var result = self
        result.earlierSeeds = []
        for key in configuration.earlierKeys.reversed() {
            result.earlierSeeds.append(
                try RecoverySealing.open(
                    encapsulation: key.encapsulation, sealed: key.sealedSeed, seed: seed,
                    info: Self.earlierSeedInfo(
                        repository: configuration.repository, publicKey: key.publicKey)))
        }
        return result
    }

    /// The short digest of both public keys, for people to compare.
    public func fingerprint() throws(LifeboatError) -> String {
        Repository.fingerprint(
            rootKey: root.publicKey, recoveryKey: try RecoverySealing.publicKey(seed: seed))
    }

    /// The 80 bytes that the file and the printed page carry.
    ///
    /// Secret.
    public var bytes: [UInt8] {
        var bytes = repository.bytes
        seed.withBytes { bytes.append(contentsOf: $0) }
        root.seed.withBytes { bytes.append(contentsOf: $0) }
        return bytes
    }
}
