public import LifeboatCore

/// A point that waits in a spool: what it needs, and what it relies on.
///
/// Source: formats/spool.md. Nobody signs it: a spool belongs to one host, as its memory does.
public struct SpoolRecord: Hashable, Sendable {
    public var repository: Identifier
    /// The number in the name: the order in which points are sent.
    public var number: UInt64
    /// Who made it, and whose secret its body is sealed with.
    public var member: Identifier
    public var domain: Identifier
    /// When reading ended, milliseconds since 1970.
    public var time: UInt64
    /// SHA-256 of the sealed body; also the point's id for as long as it waits.
    public var body: Digest
    /// The points whose block maps it was made of: ids of the log, or of points that waited too.
    public var bases: [Digest]
    /// Packs that it brings.
    public var packs: [Digest]
    /// Packs of earlier points in the spool from which it may have taken chunks.
    public var earlierPacks: [Digest]
    /// What body and packs take in the spool, in bytes.
    public var byteCount: UInt64

    public init(
        repository: Identifier, number: UInt64, member: Identifier, domain: Identifier,
        time: UInt64, body: Digest, bases: [Digest], packs: [Digest], earlierPacks: [Digest],
        byteCount: UInt64
    ) {
        self.repository = repository
        self.number = number
        self.member = member
        self.domain = domain
        self.time = time
        self.body = body
        self.bases = bases
        self.packs = packs
        self.earlierPacks = earlierPacks
        self.byteCount = byteCount
    }

    public var payload: CBOR {
        .checksummed(
            .map([
                1: .bytes(repository.bytes), 2: .unsigned(number), 3: .bytes(member.bytes),
                4: .bytes(domain.bytes), 5: .unsigned(time), 6: .bytes(body.bytes),
                7: .joined(bases), 8: .joined(packs), 9: .joined(earlierPacks),
                10: .unsigned(byteCount),
            ]))
    }

    public init(payload: CBOR, subject: String) throws(LifeboatError) {
        let fields = try CBORFields(checksummed: payload, of: subject)
        repository = try fields.identifier(1)
        number = try fields.unsigned(2)
        member = try fields.identifier(3)
        domain = try fields.identifier(4)
        time = try fields.unsigned(5)
        body = try fields.digest(6)
        bases = try fields.joinedDigests(7)
        packs = try fields.joinedDigests(8)
        earlierPacks = try fields.joinedDigests(9)
        byteCount = try fields.unsigned(10)
    }
}
