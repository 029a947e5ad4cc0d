public import LifeboatCodec
public import LifeboatCore
import LifeboatFormat

/// A domain's secret and the keys derived from it.
///
/// Source: formats/keys.md.
///
/// Immutable, hence safe from many threads; the hashers and ciphers it makes are not.
public final class DomainKeys: Sendable {
    public let repository: Identifier
    public let domain: Identifier
    let secret: SecretBytes
    private let chunkKey: SecretBytes
    private let nodeKey: SecretBytes

    public init(repository: Identifier, domain: Identifier, secret: SecretBytes) {
        self.repository = repository
        self.domain = domain
        self.secret = secret
        chunkKey = KeyDerivation.hkdf(
            secret: secret, salt: repository.bytes, info: "lifeboat chunk id")
        nodeKey = KeyDerivation.hkdf(
            secret: secret, salt: repository.bytes, info: "lifeboat node id")
    }

    /// A hasher that names chunks; one a thread.
    public func chunkHasher() -> KeyedHasher { KeyedHasher(key: chunkKey) }

    /// A hasher that names block map nodes; one a thread.
    public func nodeHasher() -> KeyedHasher { KeyedHasher(key: nodeKey) }

    func cipher(_ label: String, salt: [UInt8]) -> FrameCipher {
        FrameCipher(key: KeyDerivation.hkdf(secret: secret, salt: salt, info: label))
    }

    func metadataFrameKey(salt: [UInt8]) -> SecretBytes {
        KeyDerivation.hkdf(secret: secret, salt: salt, info: PackLayout.metadataLabel)
    }

    /// HPKE info that ties a frame key to this repository and domain.
    var frameKeyInfo: [UInt8] {
        Array(PackLayout.frameKeyLabel.utf8) + repository.bytes + domain.bytes
    }

    /// The domain's secret out of a configuration.
    static func open(
        _ domain: Configuration.Domain, repository: Identifier, with recovery: RecoveryKey
    ) throws(LifeboatError) -> DomainKeys {
        let secret = try RecoverySealing.open(
            encapsulation: domain.encapsulation, sealed: domain.sealedSecret, seed: recovery.seed,
            info: secretInfo(repository: repository, domain: domain.id))
        return DomainKeys(repository: repository, domain: domain.id, secret: secret)
    }

    /// The domain's secret for a configuration, sealed to a recovery public key.
    func sealed(to recoveryKey: [UInt8]) throws(LifeboatError) -> Configuration.Domain {
        let sealed = try RecoverySealing.seal(
            secret, to: recoveryKey,
            info: Self.secretInfo(repository: repository, domain: domain))
        return Configuration.Domain(
            id: domain, encapsulation: sealed.encapsulation, sealedSecret: sealed.sealed)
    }

    /// HPKE info that ties a wrapped domain secret to its repository and domain.
    static func secretInfo(repository: Identifier, domain: Identifier) -> [UInt8] {
        Array("lifeboat domain secret".utf8) + repository.bytes + domain.bytes
    }
}
