public import LifeboatCore

/// All logs of a repository up to certain entries, summed up by a keeper.
///
/// Entries that a checkpoint covers may be deleted. Named by the SHA-256 of its object. Source:
/// formats/checkpoint.md.
public struct Checkpoint: Hashable, Sendable {
    /// How far a log was read.
    public struct Mark: Hashable, Sendable {
        public var incarnation: Identifier
        public var sequence: UInt64

        public init(_ incarnation: Identifier, _ sequence: UInt64) {
            self.incarnation = incarnation
            self.sequence = sequence
        }
    }

    /// A session that had not been closed.
    public struct Session: Hashable, Sendable {
        public var id: Identifier
        /// The entry that opened it, and its time.
        public var sequence: UInt64
        public var time: UInt64
        /// Of keepers' logs, what its member knew when it opened.
        public var knows: [Mark]

        public init(id: Identifier, sequence: UInt64, time: UInt64, knows: [Mark]) {
            self.id = id
            self.sequence = sequence
            self.time = time
            self.knows = knows
        }
    }

    /// One log.
    public struct Log: Hashable, Sendable {
        public var member: Identifier
        public var head: LogHead
        public var time: UInt64
        /// Of other logs, what its member knew.
        public var knows: [Mark]
        public var sessions: [Session]
        /// Keepers that fenced it.
        public var fencedBy: [Identifier]
        /// Whether its fence is complete: nothing follows.
        public var isEnded: Bool

        public init(
            member: Identifier, head: LogHead, time: UInt64, knows: [Mark], sessions: [Session],
            fencedBy: [Identifier], isEnded: Bool
        ) {
            self.member = member
            self.head = head
            self.time = time
            self.knows = knows
            self.sessions = sessions
            self.fencedBy = fencedBy
            self.isEnded = isEnded
        }
    }

    /// One recovery point.
    public struct Point: Hashable, Sendable {
        public var id: Digest
        public var incarnation: Identifier
        public var sequence: UInt64
        public var member: Identifier
        public var domain: Identifier
        public var body: Digest
        /// The member's clock, milliseconds.
        public var time: UInt64
        /// By keepers' clocks: when it was not there yet, and when it was first seen.
        public var after: UInt64
        public var seen: UInt64
        /// The entry that forgot it, when that is not final yet.
        public var forgotten: Mark?
        public var isHeld: Bool
        /// Salt and sealed tags that replace those of the body; empty for none.
        public var tags: [UInt8]

        public init(
            id: Digest, incarnation: Identifier, sequence: UInt64, member: Identifier,
            domain: Identifier, body: Digest, time: UInt64, after: UInt64, seen: UInt64,
            forgotten: Mark?, isHeld: Bool, tags: [UInt8]
        ) {
            self.id = id
            self.incarnation = incarnation
            self.sequence = sequence
            self.member = member
            self.domain = domain
            self.body = body
            self.time = time
            self.after = after
            self.seen = seen
            self.forgotten = forgotten
            self.isHeld = isHeld
            self.tags = tags
        }
    }

    /// Objects that one member added, or that concern one log.
    public struct Group: Hashable, Sendable {
        public var member: Identifier
        public var domain: Identifier
        public var digests: [Digest]

        public init(member: Identifier, domain: Identifier, digests: [Digest]) {
            self.member = member
            self.domain = domain
            self.digests = digests
        }
    }

    /// What one entry of a keeper condemned and nobody has released or doomed since.
    public struct Condemnation: Hashable, Sendable {
        public var by: Mark
        public var references: [ObjectReference]

        public init(by: Mark, references: [ObjectReference]) {
            self.by = by
            self.references = references
        }
    }

    public var repository: Identifier
    /// The keeper that signed it.
    public var member: Identifier
    public var ordinal: UInt64
    /// When a keeper last looked at all logs.
    public var observed: UInt64
    public var logs: [Log] = []
    public var points: [Point] = []
    public var packs: [Group] = []
    public var runs: [Group] = []
    public var condemnations: [Condemnation] = []
    public var doomed: [ObjectReference] = []
    /// Packs all of whose needed content keepers have stored anew.
    public var emptied: [Digest] = []
    /// By keeper's incarnation (as member), its list of sparse packs.
    public var sparse: [Group] = []

    public init(
        repository: Identifier, member: Identifier, ordinal: UInt64, observed: UInt64
    ) {
        self.repository = repository
        self.member = member
        self.ordinal = ordinal
        self.observed = observed
    }
}

extension Checkpoint {
    public var payload: CBOR {
        .map([
            1: .bytes(repository.bytes), 2: .bytes(member.bytes), 3: .unsigned(ordinal),
            4: .unsigned(observed), 5: .array(logs.map(\.payload)),
            6: .array(points.map(\.payload)), 7: .array(packs.map(\.payload)),
            8: .array(runs.map(\.payload)),
            9: .array(
                condemnations.map {
                    .array([$0.by.payload, ObjectReference.payload($0.references)])
                }),
            10: ObjectReference.payload(doomed), 11: .array(sparse.map(\.payload)),
            12: CBOR.joined(emptied),
        ])
    }

    public init(payload: CBOR, subject: String) throws(LifeboatError) {
        let fields = try CBORFields(payload, of: subject)
        self.init(
            repository: try fields.identifier(1), member: try fields.identifier(2),
            ordinal: try fields.unsigned(3), observed: try fields.unsigned(4))
        for value in try fields.array(5) { logs.append(try Log(value, subject)) }
        for value in try fields.array(6) { points.append(try Point(value, subject)) }
        for value in try fields.array(7) { packs.append(try Group(value, subject)) }
        for value in try fields.array(8) { runs.append(try Group(value, subject)) }
        for value in try fields.array(9) {
            guard case .array(let parts) = value, parts.count == 2,
                case .bytes(let bytes) = parts[1]
            else {
                throw LifeboatError(
                    .damaged, "\(subject) has a malformed condemnation", subject: subject)
            }
            condemnations.append(
                Condemnation(
                    by: try Mark(parts[0], subject),
                    references: try ObjectReference.list(bytes, subject: subject)))
        }
        doomed = try fields.references(10)
        for value in try fields.array(11) { sparse.append(try Group(value, subject)) }
        emptied = try fields.joinedDigests(12)
    }
}

extension Checkpoint.Mark {
    var payload: CBOR { .array([.bytes(incarnation.bytes), .unsigned(sequence)]) }

    init(_ value: CBOR, _ subject: String) throws(LifeboatError) {
        guard case .array(let parts) = value, parts.count == 2, case .bytes(let bytes) = parts[0],
            let incarnation = Identifier(bytes), case .unsigned(let sequence) = parts[1]
        else { throw LifeboatError(.damaged, "\(subject) has a malformed mark", subject: subject) }
        self.init(incarnation, sequence)
    }

    static func list(
        _ fields: CBORFields, _ key: UInt64, _ subject: String
    ) throws(LifeboatError) -> [Self] {
        var marks: [Self] = []
        for value in try fields.array(key) { marks.append(try Self(value, subject)) }
        return marks
    }
}

extension Checkpoint.Session {
    var payload: CBOR {
        .map([
            1: .bytes(id.bytes), 2: .unsigned(sequence), 3: .unsigned(time),
            4: .array(knows.map(\.payload)),
        ])
    }

    init(_ value: CBOR, _ subject: String) throws(LifeboatError) {
        let fields = try CBORFields(value, of: subject)
        self.init(
            id: try fields.identifier(1), sequence: try fields.unsigned(2),
            time: try fields.unsigned(3),
            knows: try Checkpoint.Mark.list(fields, 4, subject))
    }
}

extension Checkpoint.Log {
    var payload: CBOR {
        .map([
            1: .bytes(member.bytes), 2: head.payload, 3: .unsigned(time),
            4: .array(knows.map(\.payload)), 5: .array(sessions.map(\.payload)),
            6: CBOR.identifiers(fencedBy), 7: .boolean(isEnded),
        ])
    }

    init(_ value: CBOR, _ subject: String) throws(LifeboatError) {
        let fields = try CBORFields(value, of: subject)
        let heads = try LogHead.list([.array(fields.array(2))], subject: subject)
        var sessions: [Checkpoint.Session] = []
        for value in try fields.array(5) { sessions.append(try .init(value, subject)) }
        self.init(
            member: try fields.identifier(1), head: heads[0], time: try fields.unsigned(3),
            knows: try Checkpoint.Mark.list(fields, 4, subject), sessions: sessions,
            fencedBy: try fields.identifiers(6), isEnded: try fields.boolean(7))
    }
}

extension Checkpoint.Point {
    var payload: CBOR {
        var map: [UInt64: CBOR] = [
            1: .bytes(id.bytes), 2: .bytes(incarnation.bytes), 3: .unsigned(sequence),
            4: .bytes(member.bytes), 5: .bytes(domain.bytes), 6: .bytes(body.bytes),
            7: .unsigned(time), 8: .unsigned(after), 9: .unsigned(seen),
        ]
        if let forgotten { map[10] = forgotten.payload }
        if isHeld { map[11] = .boolean(true) }
        if !tags.isEmpty { map[12] = .bytes(tags) }
        return .map(map)
    }

    init(_ value: CBOR, _ subject: String) throws(LifeboatError) {
        let fields = try CBORFields(value, of: subject)
        self.init(
            id: try fields.digest(1), incarnation: try fields.identifier(2),
            sequence: try fields.unsigned(3), member: try fields.identifier(4),
            domain: try fields.identifier(5), body: try fields.digest(6),
            time: try fields.unsigned(7), after: try fields.unsigned(8),
            seen: try fields.unsigned(9),
            forgotten: fields.has(10)
                ? try Checkpoint.Mark(.array(fields.array(10)), subject) : nil,
            isHeld: fields.has(11) ? try fields.boolean(11) : false,
            tags: fields.has(12) ? try fields.bytes(12) : [])
    }
}

extension Checkpoint.Group {
    var payload: CBOR {
        .array([.bytes(member.bytes), .bytes(domain.bytes), CBOR.joined(digests)])
    }

    init(_ value: CBOR, _ subject: String) throws(LifeboatError) {
        guard case .array(let parts) = value, parts.count == 3, case .bytes(let first) = parts[0],
            let member = Identifier(first), case .bytes(let second) = parts[1],
            let domain = Identifier(second), case .bytes(let joined) = parts[2],
            joined.count.isMultiple(of: Digest.byteCount)
        else { throw LifeboatError(.damaged, "\(subject) has a malformed group", subject: subject) }
        self.init(
            member: member, domain: domain,
            digests: joined.withUnsafeBytes { raw in
                stride(from: 0, to: raw.count, by: Digest.byteCount).map {
                    Digest(loading: raw, at: $0)
                }
            })
    }
}
