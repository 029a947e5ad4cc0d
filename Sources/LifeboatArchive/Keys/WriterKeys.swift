import LifeboatCodec
public import LifeboatCore
import LifeboatFormat

/// What a member holds: domain secrets and its own signing key, and which root it trusts.
public struct WriterKeys: Sendable {
    public let repository: Identifier
    public let writer: Identifier
    let signing: SigningKey
    public let domain: Identifier
    let domainSecret: SecretBytes
    /// The root public key pinned when the writer was enrolled.
    public let rootKey: [UInt8]
    /// The secrets of further domains: a keeper has all that there were when it was enrolled.
    let furtherSecrets: [Identifier: SecretBytes]

    init(
        repository: Identifier, writer: Identifier, signing: SigningKey, domain: Identifier,
        domainSecret: SecretBytes, rootKey: [UInt8],
        furtherSecrets: [Identifier: SecretBytes] = [:]
    ) {
        self.repository = repository
        self.writer = writer
        self.signing = signing
        self.domain = domain
        self.domainSecret = domainSecret
        self.rootKey = rootKey
        self.furtherSecrets = furtherSecrets
    }

    /// The encoding that key slots seal.
    ///
    /// Secret. Source: formats/keys.md, "Key slots".
    var encoded: [UInt8] {
        CBOR.map([
            1: .bytes(repository.bytes), 2: .bytes(writer.bytes),
            3: .bytes(signing.seed.withBytes { Array($0) }), 4: .bytes(domain.bytes),
            5: .bytes(domainSecret.withBytes { Array($0) }), 6: .bytes(rootKey),
            7: .array(
                furtherSecrets.sorted { $0.key < $1.key }.map {
                    .array([
                        .bytes($0.key.bytes), .bytes($0.value.withBytes { Array($0) }),
                    ])
                }),
        ]).encoded()
    }

    init(decoding bytes: [UInt8]) throws(LifeboatError) {
        let fields = try CBORFields(try CBOR.decode(bytes), of: "a writer's keys")
        repository = try fields.identifier(1)
        writer = try fields.identifier(2)
        signing = try SigningKey(seed: SecretBytes(try fields.bytes(3, count: 32)))
        domain = try fields.identifier(4)
        domainSecret = SecretBytes(try fields.bytes(5, count: 32))
        rootKey = try fields.bytes(6, count: 32)
        var further: [Identifier: SecretBytes] = [:]
        for value in try fields.array(7) {
            guard case .array(let parts) = value, parts.count == 2,
                case .bytes(let id) = parts[0], let id = Identifier(id),
                case .bytes(let secret) = parts[1], secret.count == 32
            else {
                throw LifeboatError(.damaged, "a writer's keys have a malformed domain secret")
            }
            further[id] = SecretBytes(secret)
        }
        furtherSecrets = further
    }
}
