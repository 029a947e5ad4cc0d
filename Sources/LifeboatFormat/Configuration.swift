public import LifeboatCore

/// What a repository is: one object a change, each signed by the root key of the one before.
///
/// The first is signed by its own root key.
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

    /// A recovery key that a rotation replaced: what it opened, the newest key still opens.
    public struct EarlierKey: Hashable, Sendable {
        /// The X-Wing public key that older packs are sealed to.
        public var publicKey: [UInt8]
        public var encapsulation: [UInt8]
        /// Its private key, sealed to the recovery key of this configuration.
        public var sealedSeed: [UInt8]

        public init(publicKey: [UInt8], encapsulation: [UInt8], sealedSeed: [UInt8]) {
            self.publicKey = publicKey
            self.encapsulation = encapsulation
            self.sealedSeed = sealedSeed
        }
    }

    public var repository: Identifier
    /// Bytes; a power of two between 16 KiB and 4 MiB.
    public var chunkSize: Int
    /// The Ed25519 public key that signs the next configuration and the rosters from now on.
    public var rootKey: [UInt8]
    /// The X-Wing public key that packs are sealed to.
    public var recoveryKey: [UInt8]
    /// When this configuration was made, milliseconds since 1970.
    public var created: UInt64
    public var domains: [Domain]
    /// 1 for the first; each change counts up.
    public var number: UInt64
    /// SHA-256 of the configuration object before; zero for the first.
    public var previous: Digest
    /// All recovery keys of earlier configurations.
    public var earlierKeys: [EarlierKey]
    /// The number of the roster that this configuration confirms; 0 in the first.
    public var rosterNumber: UInt64
    /// SHA-256 of that roster object; zero in the first configuration.
    public var rosterDigest: Digest
    /// No point younger than this can be forgotten; milliseconds.
    public var minimumAge: UInt64
    /// For how long every object that is put is locked in the store; milliseconds, 0 for not at all.
    public var lockDuration: UInt64

    public static let chunkSizes = 16384...4_194_304
    /// One day.
    public static let defaultMinimumAge: UInt64 = 24 * 3_600_000

    public init(
        repository: Identifier, chunkSize: Int, rootKey: [UInt8], recoveryKey: [UInt8],
        created: UInt64, domains: [Domain], number: UInt64 = 1, previous: Digest = .zero,
        earlierKeys: [EarlierKey] = [], rosterNumber: UInt64 = 0, rosterDigest: Digest = .zero,
        minimumAge: UInt64 = Self.defaultMinimumAge, lockDuration: UInt64 = 0
    ) {
        self.repository = repository
        self.chunkSize = chunkSize
        self.rootKey = rootKey
        self.recoveryKey = recoveryKey
        self.created = created
        self.domains = domains
        self.number = number
        self.previous = previous
        self.earlierKeys = earlierKeys
        self.rosterNumber = rosterNumber
        self.rosterDigest = rosterDigest
        self.minimumAge = minimumAge
        self.lockDuration = lockDuration
    }

    public var payload: CBOR {
        var fields: [UInt64: CBOR] = [
            1: .bytes(repository.bytes), 2: .size(chunkSize), 3: .bytes(rootKey),
            4: .bytes(recoveryKey), 5: .unsigned(created),
            6: .array(
                domains.map {
                    .map([
                        1: .bytes($0.id.bytes), 2: .bytes($0.encapsulation),
                        3: .bytes($0.sealedSecret),
                    ])
                }),
            7: .unsigned(number), 8: .bytes(previous.bytes),
            9: .array(
                earlierKeys.map {
                    .map([
                        1: .bytes($0.publicKey), 2: .bytes($0.encapsulation),
                        3: .bytes($0.sealedSeed),
                    ])
                }),
            10: .unsigned(rosterNumber), 11: .bytes(rosterDigest.bytes),
            12: .unsigned(minimumAge),
        ]
        if lockDuration > 0 { fields[13] = .unsigned(lockDuration) }
        return .map(fields)
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
        number = try fields.unsigned(7)
        previous = try fields.digest(8)
        earlierKeys = []
        for value in try fields.array(9) {
            let key = try CBORFields(value, of: "an earlier key of the configuration")
            earlierKeys.append(
                EarlierKey(
                    publicKey: try key.bytes(1, count: 1216),
                    encapsulation: try key.bytes(2, count: 1120),
                    sealedSeed: try key.bytes(3, count: 48)))
        }
        rosterNumber = try fields.unsigned(10)
        rosterDigest = try fields.digest(11)
        minimumAge = try fields.unsigned(12)
        lockDuration = fields.has(13) ? try fields.unsigned(13) : 0
    }
}
