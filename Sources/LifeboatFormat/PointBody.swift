public import LifeboatCore

/// What a recovery point holds; sealed under the domain's secret.
///
/// Source: formats/point.md.
public struct PointBody: Hashable, Sendable {
    /// One volume of the point.
    public struct Volume: Hashable, Sendable {
        public var name: String
        /// Bytes.
        public var size: UInt64
        /// Id of the block map's root node; zero when the volume holds only zeros.
        public var root: Digest
        /// Levels of the block map; 0 when the volume holds only zeros and needs no node.
        public var levels: Int
        public var consistency: ConsistencyLevel
        /// How the changed chunks were found: `full`, `fingerprints`, `hint`.
        public var method: String
        public var bytesRead: UInt64
        /// Plain bytes of chunks that were new to the repository.
        public var bytesNew: UInt64
        /// What the new data takes in packs, compressed and sealed.
        public var bytesStored: UInt64
        public var bytesZero: UInt64
        public var bytesUnchanged: UInt64
        public var warnings: [String]
        /// What its bytes are.
        public var content = Content.disk

        /// What a volume's bytes are.
        public enum Content: String, Sendable {
            case disk
            /// The definition of one of the point's machines: formats/machine.md.
            case definition
        }

        public init(
            name: String, size: UInt64, root: Digest, levels: Int, consistency: ConsistencyLevel,
            method: String, bytesRead: UInt64, bytesNew: UInt64, bytesStored: UInt64,
            bytesZero: UInt64, bytesUnchanged: UInt64, warnings: [String]
        ) {
            self.name = name
            self.size = size
            self.root = root
            self.levels = levels
            self.consistency = consistency
            self.method = method
            self.bytesRead = bytesRead
            self.bytesNew = bytesNew
            self.bytesStored = bytesStored
            self.bytesZero = bytesZero
            self.bytesUnchanged = bytesUnchanged
            self.warnings = warnings
        }
    }

    public var machine: String
    public var host: String
    /// Milliseconds since 1970 at which reading began, and at which it ended.
    public var begun: UInt64
    public var ended: UInt64
    public var consistency: ConsistencyLevel
    /// The point that this one was compared with; zero for none.
    public var parent: Digest
    public var tags: [String: String]
    public var volumes: [Volume]
    public var program: String
    /// What is known of the machines that the volumes belong to; none where volumes alone were
    /// backed up.
    public var machines: [PointMachine] = []
    /// Milliseconds between the first and the last snapshot's start, where there was more than one.
    public var skew: UInt64?

    public init(
        machine: String, host: String, begun: UInt64, ended: UInt64,
        consistency: ConsistencyLevel, parent: Digest, tags: [String: String], volumes: [Volume],
        program: String
    ) {
        self.machine = machine
        self.host = host
        self.begun = begun
        self.ended = ended
        self.consistency = consistency
        self.parent = parent
        self.tags = tags
        self.volumes = volumes
        self.program = program
    }

    public var payload: CBOR {
        var fields: [UInt64: CBOR] = [
            1: .text(machine), 2: .text(host), 3: .unsigned(begun), 4: .unsigned(ended),
            5: .text(consistency.rawValue), 6: .bytes(parent.bytes),
            7: Self.payload(tags: tags),
            8: .array(volumes.map(\.payload)), 9: .text(program),
        ]
        if !machines.isEmpty { fields[10] = .array(machines.map(\.payload)) }
        if let skew { fields[11] = .unsigned(skew) }
        return .map(fields)
    }

    public init(payload: CBOR, subject: String) throws(LifeboatError) {
        let fields = try CBORFields(payload, of: subject)
        machine = try fields.text(1)
        host = try fields.text(2)
        begun = try fields.unsigned(3)
        ended = try fields.unsigned(4)
        consistency = try Self.consistency(fields, 5, subject)
        parent = try fields.digest(6)
        tags = try Self.tags(payload: .array(fields.array(7)), subject: subject)
        volumes = []
        for value in try fields.array(8) {
            volumes.append(try Volume(payload: value, subject: "a volume of \(subject)"))
        }
        program = try fields.text(9)
        if fields.has(10) {
            for value in try fields.array(10) {
                machines.append(
                    try PointMachine(payload: value, subject: "a machine of \(subject)"))
            }
        }
        if fields.has(11) { skew = try fields.unsigned(11) }
    }

    /// Tags as a list of pairs, ascending by key.
    public static func payload(tags: [String: String]) -> CBOR {
        .array(
            tags.sorted { $0.key < $1.key }.map { .array([.text($0.key), .text($0.value)]) })
    }

    public static func tags(
        payload: CBOR, subject: String
    ) throws(LifeboatError) -> [String: String] {
        guard case .array(let values) = payload else {
            throw LifeboatError(.damaged, "\(subject) has malformed tags", subject: subject)
        }
        var tags: [String: String] = [:]
        for value in values {
            guard case .array(let pair) = value, pair.count == 2, case .text(let key) = pair[0],
                case .text(let text) = pair[1]
            else {
                throw LifeboatError(.damaged, "\(subject) has a malformed tag", subject: subject)
            }
            tags[key] = text
        }
        return tags
    }

    static func consistency(
        _ fields: CBORFields, _ key: UInt64, _ subject: String
    ) throws(LifeboatError) -> ConsistencyLevel {
        let text = try fields.text(key)
        guard let level = ConsistencyLevel(rawValue: text) else {
            throw LifeboatError(
                .unsupported, "\(subject) has consistency level \(text)", subject: subject)
        }
        return level
    }
}

extension PointBody.Volume {
    var payload: CBOR {
        var fields: [UInt64: CBOR] = [
            1: .text(name), 2: .unsigned(size), 3: .bytes(root.bytes), 4: .size(levels),
            5: .text(consistency.rawValue), 6: .text(method), 7: .unsigned(bytesRead),
            8: .unsigned(bytesNew), 9: .unsigned(bytesStored), 10: .unsigned(bytesZero),
            11: .unsigned(bytesUnchanged), 12: .texts(warnings),
        ]
        if content != .disk { fields[13] = .text(content.rawValue) }
        return .map(fields)
    }

    init(payload: CBOR, subject: String) throws(LifeboatError) {
        let fields = try CBORFields(payload, of: subject)
        name = try fields.text(1)
        size = try fields.unsigned(2)
        guard size <= UInt64(Int64.max) else {
            throw LifeboatError(.damaged, "\(subject) has size \(size)", subject: subject)
        }
        root = try fields.digest(3)
        levels = try fields.count(4, upTo: BlockMapShape.levelLimit)
        consistency = try PointBody.consistency(fields, 5, subject)
        method = try fields.text(6)
        bytesRead = try fields.unsigned(7)
        bytesNew = try fields.unsigned(8)
        bytesStored = try fields.unsigned(9)
        bytesZero = try fields.unsigned(10)
        bytesUnchanged = try fields.unsigned(11)
        warnings = try fields.texts(12)
        // What a newer version calls otherwise is bytes all the same.
        if fields.has(13) { content = Content(rawValue: try fields.text(13)) ?? .disk }
    }
}
