public import LifeboatCore

/// One link of a writer incarnation's chain: tiny, permanent, signed.
///
/// Source: formats/log.md.
public struct LogEntry: Hashable, Sendable {
    /// Where a log stood when the entry was written.
    public struct Head: Hashable, Sendable {
        public var incarnation: Identifier
        /// The number of the last entry.
        public var sequence: UInt64
        /// SHA-256 of that entry's object.
        public var digest: Digest

        public init(incarnation: Identifier, sequence: UInt64, digest: Digest) {
            self.incarnation = incarnation
            self.sequence = sequence
            self.digest = digest
        }
    }

    public var repository: Identifier
    public var writer: Identifier
    public var incarnation: Identifier
    /// From 1, without gaps.
    public var sequence: UInt64
    /// SHA-256 of the entry object before; zero for the first.
    public var previous: Digest
    public var domain: Identifier
    /// The writer's clock, milliseconds since 1970.
    ///
    /// A claim, not a proof.
    public var time: UInt64
    /// SHA-256 of the point's body; zero for an entry that adds no point.
    public var body: Digest
    /// Packs that no earlier known entry names, and that points may need from now on.
    public var packs: [Digest]
    /// Index runs that this entry adds.
    public var runs: [Digest]
    /// Index runs whose content is in `runs` too, and that nobody needs any more.
    public var replacedRuns: [Digest]
    /// All other logs known to the writer.
    public var heads: [Head]

    public init(
        repository: Identifier, writer: Identifier, incarnation: Identifier, sequence: UInt64,
        previous: Digest, domain: Identifier, time: UInt64, body: Digest, packs: [Digest],
        runs: [Digest], replacedRuns: [Digest], heads: [Head]
    ) {
        self.repository = repository
        self.writer = writer
        self.incarnation = incarnation
        self.sequence = sequence
        self.previous = previous
        self.domain = domain
        self.time = time
        self.body = body
        self.packs = packs
        self.runs = runs
        self.replacedRuns = replacedRuns
        self.heads = heads
    }

    public var payload: CBOR {
        .map([
            1: .bytes(repository.bytes), 2: .bytes(writer.bytes), 3: .bytes(incarnation.bytes),
            4: .unsigned(sequence), 5: .bytes(previous.bytes), 6: .bytes(domain.bytes),
            7: .unsigned(time), 8: .bytes(body.bytes), 9: .digests(packs), 10: .digests(runs),
            11: .digests(replacedRuns),
            12: .array(heads.map(\.payload)),
        ])
    }

    public init(payload: CBOR, subject: String) throws(LifeboatError) {
        let fields = try CBORFields(payload, of: subject)
        repository = try fields.identifier(1)
        writer = try fields.identifier(2)
        incarnation = try fields.identifier(3)
        sequence = try fields.unsigned(4)
        previous = try fields.digest(5)
        domain = try fields.identifier(6)
        time = try fields.unsigned(7)
        body = try fields.digest(8)
        packs = try fields.digests(9)
        runs = try fields.digests(10)
        replacedRuns = try fields.digests(11)
        heads = try Head.list(fields.array(12), subject: subject)
    }
}
