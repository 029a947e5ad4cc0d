public import LifeboatCore

/// One link of an incarnation's chain: tiny and signed.
///
/// Writers add points; keepers say what is forgotten, condemned and deleted. Lists that are empty
/// are left out on disk. Source: formats/log.md.
public struct LogEntry: Hashable, Sendable {
    /// New tags of a point, in place of all that it had.
    public struct TagEdit: Hashable, Sendable {
        public var point: Digest
        /// Salt (32 bytes) and sealed tags.
        public var sealed: [UInt8]

        public init(point: Digest, sealed: [UInt8]) {
            self.point = point
            self.sealed = sealed
        }
    }

    /// The summary of all logs that a keeper stands by.
    public struct CheckpointName: Hashable, Sendable {
        /// Counts up with each checkpoint, over all keepers.
        public var ordinal: UInt64
        public var digest: Digest

        public init(ordinal: UInt64, digest: Digest) {
            self.ordinal = ordinal
            self.digest = digest
        }
    }

    public var repository: Identifier
    public var member: Identifier
    public var incarnation: Identifier
    /// From 1, without gaps.
    public var sequence: UInt64
    /// SHA-256 of the entry object before; zero for the first.
    public var previous: Digest
    public var domain: Identifier
    /// The member's clock, milliseconds since 1970.
    ///
    /// A claim, not a proof.
    public var time: UInt64
    /// Logs that the member saw to have grown since its last entry; of keepers' logs, all.
    public var heads: [LogHead] = []
    /// Sessions that begin: from here until they are closed their member relies on what it saw.
    public var opened: [Identifier] = []
    public var closed: [Identifier] = []
    /// SHA-256 of the body of the point that this entry adds; zero for none.
    public var body: Digest = .zero
    /// Packs that are new with this entry.
    public var packs: [Digest] = []
    /// Index runs that are new with this entry.
    public var runs: [Digest] = []
    /// Index runs whose content is in `runs` too, and that nobody needs any more.
    public var replacedRuns: [Digest] = []
    public var tagEdits: [TagEdit] = []

    // What follows counts in a keeper's log only.

    /// Objects that seem to be needed by nobody: not to be relied on from here on.
    public var condemned: [ObjectReference] = []
    /// Objects that were condemned and are needed all the same.
    public var released: [ObjectReference] = []
    /// Objects that are deleted from here on, for ever.
    public var doomed: [ObjectReference] = []
    /// Packs all of whose needed content lies in `packs` too.
    public var emptied: [Digest] = []
    /// Points, by id.
    public var forgotten: [Digest] = []
    public var held: [Digest] = []
    public var unheld: [Digest] = []
    /// Incarnations that shall not write any more.
    public var fenced: [Identifier] = []
    /// Where logs of fenced incarnations end: what stands behind does not exist.
    public var ends: [LogHead] = []
    /// A checkpoint that the keeper would like to stand by.
    public var proposal: CheckpointName?
    /// The newest checkpoint that stands, as far as the keeper knows.
    public var checkpoint: CheckpointName?
    /// Packs with much dead space: whoever has their chunks at hand may store them anew.
    ///
    /// Replaces the keeper's earlier list; `nil` leaves it as it was.
    public var sparse: [Digest]?

    public init(
        repository: Identifier, member: Identifier, incarnation: Identifier, sequence: UInt64,
        previous: Digest, domain: Identifier, time: UInt64
    ) {
        self.repository = repository
        self.member = member
        self.incarnation = incarnation
        self.sequence = sequence
        self.previous = previous
        self.domain = domain
        self.time = time
    }

    /// Whether it has fields that only a keeper may set.
    public var needsKeeper: Bool {
        !condemned.isEmpty || !released.isEmpty || !doomed.isEmpty || !forgotten.isEmpty
            || !held.isEmpty || !unheld.isEmpty || !fenced.isEmpty || !ends.isEmpty
            || !emptied.isEmpty || proposal != nil || checkpoint != nil || sparse != nil
    }

    /// The log's last entry, as others remember it.
    public func head(_ id: Digest) -> LogHead {
        LogHead(incarnation: incarnation, sequence: sequence, digest: id)
    }
}

extension LogEntry {
    public var payload: CBOR {
        var map: [UInt64: CBOR] = [
            1: .bytes(repository.bytes), 2: .bytes(member.bytes), 3: .bytes(incarnation.bytes),
            4: .unsigned(sequence), 5: .bytes(previous.bytes), 6: .bytes(domain.bytes),
            7: .unsigned(time),
        ]
        func list<Element>(_ key: UInt64, _ elements: [Element], _ encode: ([Element]) -> CBOR) {
            if !elements.isEmpty { map[key] = encode(elements) }
        }
        let heads: ([LogHead]) -> CBOR = { .array($0.map(\.payload)) }
        list(8, self.heads, heads)
        list(9, opened, CBOR.identifiers)
        list(10, closed, CBOR.identifiers)
        if !body.isZero { map[11] = .bytes(body.bytes) }
        list(12, packs, CBOR.joined)
        list(13, runs, CBOR.joined)
        list(14, replacedRuns, CBOR.joined)
        list(15, tagEdits) {
            .array($0.map { .array([.bytes($0.point.bytes), .bytes($0.sealed)]) })
        }
        list(16, condemned, ObjectReference.payload)
        list(17, released, ObjectReference.payload)
        list(18, doomed, ObjectReference.payload)
        list(19, forgotten, CBOR.joined)
        list(20, held, CBOR.joined)
        list(21, unheld, CBOR.joined)
        list(22, fenced, CBOR.identifiers)
        list(23, ends, heads)
        map[24] = proposal?.payload
        map[25] = checkpoint?.payload
        if let sparse { map[26] = CBOR.joined(sparse) }
        list(27, emptied, CBOR.joined)
        return .map(map)
    }

    public init(payload: CBOR, subject: String) throws(LifeboatError) {
        let fields = try CBORFields(payload, of: subject)
        self.init(
            repository: try fields.identifier(1), member: try fields.identifier(2),
            incarnation: try fields.identifier(3), sequence: try fields.unsigned(4),
            previous: try fields.digest(5), domain: try fields.identifier(6),
            time: try fields.unsigned(7))
        if fields.has(8) { heads = try LogHead.list(fields.array(8), subject: subject) }
        opened = try fields.identifiers(9)
        closed = try fields.identifiers(10)
        if fields.has(11) { body = try fields.digest(11) }
        packs = try fields.joinedDigests(12)
        runs = try fields.joinedDigests(13)
        replacedRuns = try fields.joinedDigests(14)
        if fields.has(15) { tagEdits = try TagEdit.list(fields.array(15), subject: subject) }
        condemned = try fields.references(16)
        released = try fields.references(17)
        doomed = try fields.references(18)
        forgotten = try fields.joinedDigests(19)
        held = try fields.joinedDigests(20)
        unheld = try fields.joinedDigests(21)
        fenced = try fields.identifiers(22)
        if fields.has(23) { ends = try LogHead.list(fields.array(23), subject: subject) }
        if fields.has(24) { proposal = try CheckpointName(fields.array(24), subject: subject) }
        if fields.has(25) { checkpoint = try CheckpointName(fields.array(25), subject: subject) }
        if fields.has(26) { sparse = try fields.joinedDigests(26) }
        emptied = try fields.joinedDigests(27)
    }
}

extension LogEntry.TagEdit {
    static func list(_ values: [CBOR], subject: String) throws(LifeboatError) -> [Self] {
        var edits: [Self] = []
        for value in values {
            guard case .array(let parts) = value, parts.count == 2,
                case .bytes(let bytes) = parts[0], let point = Digest(bytes),
                case .bytes(let sealed) = parts[1]
            else {
                throw LifeboatError(.damaged, "\(subject) has malformed tags", subject: subject)
            }
            edits.append(.init(point: point, sealed: sealed))
        }
        return edits
    }
}

extension LogEntry.CheckpointName {
    var payload: CBOR { .array([.unsigned(ordinal), .bytes(digest.bytes)]) }

    init(_ values: [CBOR], subject: String) throws(LifeboatError) {
        guard values.count == 2, case .unsigned(let ordinal) = values[0],
            case .bytes(let bytes) = values[1], let digest = Digest(bytes)
        else {
            throw LifeboatError(
                .damaged, "\(subject) names a malformed checkpoint", subject: subject)
        }
        self.init(ordinal: ordinal, digest: digest)
    }
}
