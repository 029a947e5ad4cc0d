public import LifeboatCore

/// What a spool remembers of sending, so that nothing is sent twice.
///
/// Source: formats/spool.md.
public struct SpoolNotes: Hashable, Sendable {
    /// A waiting point's number, and something about it.
    public struct Note<Value: Hashable & Sendable>: Hashable, Sendable {
        public var number: UInt64
        public var value: Value

        public init(_ number: UInt64, _ value: Value) {
            self.number = number
            self.value = value
        }
    }

    /// A point that the repository has: the id that it had here, and its own.
    public struct Sent: Hashable, Sendable {
        public var local: Digest
        public var point: Digest

        public init(local: Digest, point: Digest) {
            self.local = local
            self.point = point
        }
    }

    public var repository: Identifier
    /// The greatest number that a point ever had here.
    public var lastNumber: UInt64 = 0
    /// Packs of which a put may have begun: where their names are not known to be free, they are
    /// never put again.
    public var attempted: Set<Digest> = []
    /// Bodies that a point's entry may name, each noted before such an entry was put.
    public var bodies: [Note<Digest>] = []
    /// Points whose entries count.
    public var sent: [Note<Sent>] = []
    /// Why points cannot be sent.
    public var blocked: [Note<String>] = []

    public init(repository: Identifier) { self.repository = repository }

    public var payload: CBOR {
        .checksummed(
            .map([
                1: .bytes(repository.bytes), 2: .unsigned(lastNumber),
                3: .joined(attempted.sorted()),
                4: .array(
                    bodies.map { .array([.unsigned($0.number), .bytes($0.value.bytes)]) }),
                5: .array(
                    sent.map {
                        .array([
                            .unsigned($0.number), .bytes($0.value.local.bytes),
                            .bytes($0.value.point.bytes),
                        ])
                    }),
                6: .array(blocked.map { .array([.unsigned($0.number), .text($0.value)]) }),
            ]))
    }

    public init(payload: CBOR, subject: String) throws(LifeboatError) {
        let fields = try CBORFields(checksummed: payload, of: subject)
        repository = try fields.identifier(1)
        lastNumber = try fields.unsigned(2)
        attempted = Set(try fields.joinedDigests(3))
        func fault() -> LifeboatError {
            LifeboatError(.damaged, "\(subject) holds a malformed note", subject: subject)
        }
        func digest(_ value: CBOR) throws(LifeboatError) -> Digest {
            guard case .bytes(let bytes) = value, let digest = Digest(bytes) else { throw fault() }
            return digest
        }
        for value in try fields.array(4) {
            guard case .array(let parts) = value, parts.count == 2,
                case .unsigned(let number) = parts[0]
            else { throw fault() }
            bodies.append(Note(number, try digest(parts[1])))
        }
        for value in try fields.array(5) {
            guard case .array(let parts) = value, parts.count == 3,
                case .unsigned(let number) = parts[0]
            else { throw fault() }
            sent.append(
                Note(number, Sent(local: try digest(parts[1]), point: try digest(parts[2]))))
        }
        for value in try fields.array(6) {
            guard case .array(let parts) = value, parts.count == 2,
                case .unsigned(let number) = parts[0], case .text(let text) = parts[1]
            else { throw fault() }
            blocked.append(Note(number, text))
        }
    }
}
