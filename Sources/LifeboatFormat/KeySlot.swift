public import LifeboatCore

/// A writer's keys, wrapped by a password or a key file.
///
/// Source: formats/keys.md, "Key slots".
public struct KeySlot: Hashable, Sendable {
    /// How the wrapping key is made.
    ///
    /// On disk: never change.
    public enum Wrapping: Hashable, Sendable {
        /// scrypt with cost 2^logCost.
        case password(logCost: Int, blockSize: Int, parallelism: Int)
        /// HKDF over the 32 bytes of a key file.
        case keyFile
    }

    public var id: Identifier
    public var wrapping: Wrapping
    public var salt: [UInt8]
    /// Milliseconds since 1970.
    public var created: UInt64
    /// The `WriterKeys`, sealed.
    public var sealedKeys: [UInt8]
    /// Whose keys they are and a label for people, sealed under the domain's secret.
    public var sealedLabel: [UInt8]

    public init(
        id: Identifier, wrapping: Wrapping, salt: [UInt8], created: UInt64,
        sealedKeys: [UInt8], sealedLabel: [UInt8]
    ) {
        self.id = id
        self.wrapping = wrapping
        self.salt = salt
        self.created = created
        self.sealedKeys = sealedKeys
        self.sealedLabel = sealedLabel
    }

    private var head: [UInt64: CBOR] {
        var fields: [UInt64: CBOR] = [
            1: .bytes(id.bytes), 4: .bytes(salt), 5: .unsigned(created),
        ]
        switch wrapping {
        case .password(let logCost, let blockSize, let parallelism):
            fields[2] = .unsigned(1)
            fields[3] = .array([.size(logCost), .size(blockSize), .size(parallelism)])
        case .keyFile:
            fields[2] = .unsigned(2)
        }
        return fields
    }

    /// What both seals authenticate besides their content: the slot without them.
    public var associatedData: [UInt8] { ObjectKind.keySlot.prefix() + CBOR.map(head).encoded() }

    public var payload: CBOR {
        var fields = head
        fields[6] = .bytes(sealedKeys)
        fields[7] = .bytes(sealedLabel)
        fields[Self.checksumField] = .unsigned(Self.checksum(fields))
        return .map(fields)
    }

    private static let checksumField: UInt64 = 8

    /// Tells damage from a wrong password; whoever changes a slot on purpose can make it anew.
    static func checksum(_ fields: [UInt64: CBOR]) -> UInt64 {
        UInt64(CRC32.checksum(ObjectKind.keySlot.prefix() + CBOR.map(fields).encoded()))
    }

    public init(payload: CBOR) throws(LifeboatError) {
        let fields = try CBORFields(payload, of: "a key slot")
        if case .map(var others) = payload {
            others[Self.checksumField] = nil
            guard try fields.unsigned(Self.checksumField) == Self.checksum(others) else {
                throw LifeboatError(
                    .damaged, "the key slot is not what was stored",
                    advice: "take it from another copy of the repository, or use another key")
            }
        }
        id = try fields.identifier(1)
        switch try fields.unsigned(2) {
        case 1:
            let numbers = try fields.array(3)
            guard numbers.count == 3, case .unsigned(let logCost) = numbers[0],
                case .unsigned(let blockSize) = numbers[1],
                case .unsigned(let parallelism) = numbers[2],
                logCost <= 24, (1...32).contains(blockSize), (1...16).contains(parallelism)
            else { throw LifeboatError(.damaged, "a key slot has impossible scrypt parameters") }
            wrapping = .password(
                logCost: Int(logCost), blockSize: Int(blockSize), parallelism: Int(parallelism))
        case 2: wrapping = .keyFile
        case let kind:
            throw LifeboatError(.unsupported, "a key slot of kind \(kind) is not known")
        }
        salt = try fields.bytes(4, count: 32)
        created = try fields.unsigned(5)
        sealedKeys = try fields.bytes(6)
        sealedLabel = try fields.bytes(7)
    }
}
