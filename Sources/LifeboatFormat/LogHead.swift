public import LifeboatCore

/// Where a log stands: its last entry.
///
/// Source: formats/log.md.
public struct LogHead: Hashable, Sendable {
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

    var payload: CBOR {
        .array([.bytes(incarnation.bytes), .unsigned(sequence), .bytes(digest.bytes)])
    }

    static func list(_ values: [CBOR], subject: String) throws(LifeboatError) -> [LogHead] {
        var heads: [LogHead] = []
        for value in values {
            guard case .array(let parts) = value, parts.count == 3,
                case .bytes(let name) = parts[0], let incarnation = Identifier(name),
                case .unsigned(let sequence) = parts[1],
                case .bytes(let bytes) = parts[2], let digest = Digest(bytes)
            else {
                throw LifeboatError(.damaged, "\(subject) has a malformed head", subject: subject)
            }
            heads.append(.init(incarnation: incarnation, sequence: sequence, digest: digest))
        }
        return heads
    }
}
