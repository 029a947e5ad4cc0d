public import LifeboatCore

/// What of the logs a replica has whole, with everything that they need.
///
/// Source: formats/replica.md. Nobody signs it: it can hide what is there, as whoever has the store
/// can anyway, and add nothing.
public struct ReplicaView: Hashable, Sendable {
    public var repository: Identifier
    /// The number in the name.
    public var number: UInt64
    /// When it was made, by the clock of who made it.
    public var time: UInt64
    /// The last entry of each log.
    public var heads: [LogHead]
    /// Points up to the heads that were left out, by id.
    public var absentPoints: [Digest]
    /// Packs that only those need.
    public var absentPacks: [Digest]

    public init(
        repository: Identifier, number: UInt64, time: UInt64, heads: [LogHead],
        absentPoints: [Digest] = [], absentPacks: [Digest] = []
    ) {
        self.repository = repository
        self.number = number
        self.time = time
        self.heads = heads
        self.absentPoints = absentPoints
        self.absentPacks = absentPacks
    }

    /// Whether it leaves out any point.
    public var isPartial: Bool { !absentPoints.isEmpty || !absentPacks.isEmpty }

    public var payload: CBOR {
        .checksummed(
            .map([
                1: .bytes(repository.bytes), 2: .unsigned(number), 3: .unsigned(time),
                4: .array(heads.map(\.payload)), 5: .joined(absentPoints),
                6: .joined(absentPacks),
            ]))
    }

    public init(payload: CBOR, subject: String) throws(LifeboatError) {
        let fields = try CBORFields(checksummed: payload, of: subject)
        repository = try fields.identifier(1)
        number = try fields.unsigned(2)
        time = try fields.unsigned(3)
        heads = try LogHead.list(fields.array(4), subject: subject)
        absentPoints = try fields.joinedDigests(5)
        absentPacks = try fields.joinedDigests(6)
    }
}
