public import LifeboatCore

/// Who may add points and who may collect: signed by the root key, one object a change.
///
/// Source: formats/objects.md, "Roster".
public struct Roster: Hashable, Sendable {
    /// What a member may do.
    ///
    /// On disk: never change.
    public enum Role: UInt64, Sendable {
        case writer = 1
        case keeper = 2
    }

    /// One writer or keeper, and the key that it signs with.
    public struct Member: Hashable, Sendable {
        public var id: Identifier
        public var role: Role
        /// The Ed25519 public key of the member.
        public var publicKey: [UInt8]
        public var domain: Identifier
        /// Whether it may not write any more; what it wrote until then still counts.
        public var isSuspended = false
        /// The ends of its logs, once it has been revoked: entries behind them do not exist.
        public var revoked: [LogHead]?

        public init(id: Identifier, role: Role, publicKey: [UInt8], domain: Identifier) {
            self.id = id
            self.role = role
            self.publicKey = publicKey
            self.domain = domain
        }
    }

    public var repository: Identifier
    /// 1 for the first; each change counts up.
    public var number: UInt64
    /// SHA-256 of the roster object before; zero for the first.
    public var previous: Digest
    public var members: [Member]

    public init(repository: Identifier, number: UInt64, previous: Digest, members: [Member]) {
        self.repository = repository
        self.number = number
        self.previous = previous
        self.members = members
    }

    public func member(_ id: Identifier) -> Member? { members.first { $0.id == id } }

    public var payload: CBOR {
        .map([
            1: .bytes(repository.bytes), 2: .unsigned(number), 3: .bytes(previous.bytes),
            4: .array(
                members.map {
                    .map([
                        1: .bytes($0.id.bytes), 2: .unsigned($0.role.rawValue),
                        3: .bytes($0.publicKey), 4: .bytes($0.domain.bytes),
                    ])
                }),
        ])
    }

    public init(payload: CBOR) throws(LifeboatError) {
        let fields = try CBORFields(payload, of: "the roster")
        repository = try fields.identifier(1)
        number = try fields.unsigned(2)
        previous = try fields.digest(3)
        members = []
        for value in try fields.array(4) {
            let member = try CBORFields(value, of: "a member of the roster")
            guard let role = Role(rawValue: try member.unsigned(2)) else {
                throw LifeboatError(.unsupported, "the roster has a role that is not known")
            }
            members.append(
                Member(
                    id: try member.identifier(1), role: role,
                    publicKey: try member.bytes(3, count: 32), domain: try member.identifier(4)))
        }
    }
}
