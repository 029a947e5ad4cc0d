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
        /// A label for people, sealed under the domain's secret: formats/keys.md.
        public var sealedLabel: [UInt8]
        /// Where the member's logs ended when it was revoked; `nil` while it is a member.
        ///
        /// Entries of its logs beyond these heads do not exist.
        public var revoked: [LogHead]?
        /// When it was enrolled, milliseconds since 1970.
        public var joined: UInt64
        /// Whether it may add nothing any more, while what it added counts.
        ///
        /// The step before `revoked`.
        public var isSuspended: Bool

        public init(
            id: Identifier, role: Role, publicKey: [UInt8], domain: Identifier,
            sealedLabel: [UInt8] = [], revoked: [LogHead]? = nil, joined: UInt64 = 0,
            isSuspended: Bool = false
        ) {
            self.id = id
            self.role = role
            self.publicKey = publicKey
            self.domain = domain
            self.sealedLabel = sealedLabel
            self.revoked = revoked
            self.joined = joined
            self.isSuspended = isSuspended
        }

        /// Whether it may still add to the repository: neither suspended nor revoked.
        public var isActive: Bool { revoked == nil && !isSuspended }

        var payload: CBOR {
            var fields: [UInt64: CBOR] = [
                1: .bytes(id.bytes), 2: .unsigned(role.rawValue), 3: .bytes(publicKey),
                4: .bytes(domain.bytes), 5: .bytes(sealedLabel), 7: .unsigned(joined),
            ]
            if let revoked { fields[6] = .array(revoked.map(\.payload)) }
            if isSuspended { fields[8] = .boolean(true) }
            return .map(fields)
        }

        init(payload: CBOR) throws(LifeboatError) {
            let subject = "a member of the roster"
            let fields = try CBORFields(payload, of: subject)
            id = try fields.identifier(1)
            guard let role = Role(rawValue: try fields.unsigned(2)) else {
                throw LifeboatError(.unsupported, "the roster has a role that is not known")
            }
            self.role = role
            publicKey = try fields.bytes(3, count: 32)
            domain = try fields.identifier(4)
            sealedLabel = try fields.bytes(5)
            revoked =
                fields.has(6)
                ? try LogHead.list(fields.array(6), subject: subject) : nil
            joined = try fields.unsigned(7)
            isSuspended = fields.has(8) ? try fields.boolean(8) : false
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
            4: .array(members.map(\.payload)),
        ])
    }

    public init(payload: CBOR) throws(LifeboatError) {
        let fields = try CBORFields(payload, of: "the roster")
        repository = try fields.identifier(1)
        number = try fields.unsigned(2)
        previous = try fields.digest(3)
        members = []
        for value in try fields.array(4) { members.append(try Member(payload: value)) }
    }
}
