public import LifeboatCore

/// What a repository is: signed by the root key, pinned by everyone who opens it.
///
/// Source: formats/objects.md, "Configuration".
public struct Configuration: Hashable, Sendable {
    /// A deduplication domain and its secret, sealed to the recovery key.
    public struct Domain: Hashable, Sendable {
        public var id: Identifier
        public var encapsulation: [UInt8]
        public var sealedSecret: [UInt8]

        public init(id: Identifier, encapsulation: [UInt8], sealedSecret: [UInt8]) {
            self.id = id
            self.encapsulation = encapsulation
            self.sealedSecret = sealedSecret
        }
    }

    public var repository: Identifier
    /// Bytes; a power of two between 16 KiB and 4 MiB.
    public var chunkSize: Int
    /// The Ed25519 public key that signs configuration and roster.
    public var rootKey: [UInt8]
    /// The X-Wing public key that packs are sealed to.
    public var recoveryKey: [UInt8]
    /// Milliseconds since 1970.
    public var created: UInt64
    public var domains: [Domain]

    public static let chunkSizes = 16384...4_194_304

    public init(
        repository: Identifier, chunkSize: Int, rootKey: [UInt8], recoveryKey: [UInt8],
        created: UInt64, domains: [Domain]
    ) {
        self.repository = repository
        self.chunkSize = chunkSize
        self.rootKey = rootKey
        self.recoveryKey = recoveryKey
        self.created = created
        self.domains = domains
    }

    public var payload: CBOR {
        .map([
            1: .bytes(repository.bytes), 2: .size(chunkSize), 3: .bytes(rootKey),
            4: .bytes(recoveryKey), 5: .unsigned(created),
            6: .array(
                domains.map {
                    .map([
                        1: .bytes($0.id.bytes), 2: .bytes($0.encapsulation),
                        3: .bytes($0.sealedSecret),
                    ])
                }),
        ])
    }

    public init(payload: CBOR) throws(LifeboatError) {
        let fields = try CBORFields(payload, of: "the configuration")
        repository = try fields.identifier(1)
        chunkSize = try fields.count(2, upTo: Self.chunkSizes.upperBound)
        guard chunkSize >= Self.chunkSizes.lowerBound, chunkSize & (chunkSize - 1) == 0 else {
            throw LifeboatError(.damaged, "the configuration has chunk size \(chunkSize)")
        }
        rootKey = try fields.bytes(3, count: 32)
        recoveryKey = try fields.bytes(4, count: 1216)
        created = try fields.unsigned(5)
        domains = []
        for value in try fields.array(6) {
            let domain = try CBORFields(value, of: "a domain of the configuration")
            domains.append(
                Domain(
                    id: try domain.identifier(1), encapsulation: try domain.bytes(2, count: 1120),
                    sealedSecret: try domain.bytes(3, count: 48)))
        }
    }
}
