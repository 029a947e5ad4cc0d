public import LifeboatCore

/// What a verification found, and how far it reached.
///
/// Source: formats/objects.md.
public struct CheckRecord: Hashable, Sendable {
    /// How thorough it was, least first.
    ///
    /// On disk: never change.
    public enum Depth: UInt64, Sendable, Comparable {
        case structure = 1
        case keyless = 2
        case sample = 3
        case data = 4

        public static func < (left: Depth, right: Depth) -> Bool { left.rawValue < right.rawValue }
    }

    public var repository: Identifier
    /// Who signed: a writer's id, or the repository's own id when the root key signed.
    public var signer: Identifier
    public var time: UInt64
    public var depth: Depth
    /// Percent of the data that was read.
    public var percent: UInt64
    public var problems: UInt64
    /// What existed when the verification began.
    public var heads: [LogHead]

    public init(
        repository: Identifier, signer: Identifier, time: UInt64, depth: Depth, percent: UInt64,
        problems: UInt64, heads: [LogHead]
    ) {
        self.repository = repository
        self.signer = signer
        self.time = time
        self.depth = depth
        self.percent = percent
        self.problems = problems
        self.heads = heads
    }

    public var payload: CBOR {
        .map([
            1: .bytes(repository.bytes), 2: .bytes(signer.bytes), 3: .unsigned(time),
            4: .unsigned(depth.rawValue), 5: .unsigned(percent), 6: .unsigned(problems),
            7: .array(heads.map(\.payload)),
        ])
    }

    public init(payload: CBOR, subject: String) throws(LifeboatError) {
        let fields = try CBORFields(payload, of: subject)
        repository = try fields.identifier(1)
        signer = try fields.identifier(2)
        time = try fields.unsigned(3)
        guard let depth = Depth(rawValue: try fields.unsigned(4)) else {
            throw LifeboatError(.unsupported, "\(subject) has an unknown depth", subject: subject)
        }
        self.depth = depth
        percent = try fields.unsigned(5)
        problems = try fields.unsigned(6)
        heads = try LogHead.list(fields.array(7), subject: subject)
    }
}
