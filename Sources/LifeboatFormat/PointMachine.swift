public import LifeboatCore

/// What a point knows of one of its machines, besides the bytes of its volumes.
///
/// Source: formats/point.md, "Machines".
public struct PointMachine: Hashable, Sendable {
    public var name: String
    /// The names in the point of its disks' volumes, in the machine's order.
    public var volumes: [String]
    /// The name in the point of the volume that holds its definition.
    public var definition: String?
    public var consistency: ConsistencyLevel
    /// What was asked for: `require`, `prefer`, `crash`, `pause`, `stateless`.
    public var policy: String
    /// Milliseconds for which the guest was frozen.
    public var freezeWindow: UInt64?
    /// Why the level is lower than was wished.
    public var reasons: [String]
    /// Whether the guest would have thawed by itself.
    public var hadDeadMan: Bool
    /// Names the platform's snapshot that the volumes were read from, on which the next one builds.
    public var snapshot: String?
    /// Such as `libvirt 9.0.0, QEMU 7.2.22`.
    public var platform: String
    /// What else should be known, such as a bitmap that was lost.
    public var notes: [String] = []

    public init(
        name: String, volumes: [String], definition: String?, consistency: ConsistencyLevel,
        policy: String, platform: String
    ) {
        self.name = name
        self.volumes = volumes
        self.definition = definition
        self.consistency = consistency
        self.policy = policy
        self.platform = platform
        freezeWindow = nil
        reasons = []
        hadDeadMan = false
        snapshot = nil
    }

    var payload: CBOR {
        var fields: [UInt64: CBOR] = [
            1: .text(name), 2: .texts(volumes), 4: .text(consistency.rawValue), 5: .text(policy),
            7: .texts(reasons), 8: .boolean(hadDeadMan), 10: .text(platform),
        ]
        if let definition { fields[3] = .text(definition) }
        if let freezeWindow { fields[6] = .unsigned(freezeWindow) }
        if let snapshot { fields[9] = .text(snapshot) }
        if !notes.isEmpty { fields[11] = .texts(notes) }
        return .map(fields)
    }

    init(payload: CBOR, subject: String) throws(LifeboatError) {
        let fields = try CBORFields(payload, of: subject)
        name = try fields.text(1)
        volumes = try fields.texts(2)
        definition = fields.has(3) ? try fields.text(3) : nil
        consistency = try PointBody.consistency(fields, 4, subject)
        policy = try fields.text(5)
        freezeWindow = fields.has(6) ? try fields.unsigned(6) : nil
        reasons = try fields.texts(7)
        hadDeadMan = try fields.boolean(8)
        snapshot = fields.has(9) ? try fields.text(9) : nil
        platform = try fields.text(10)
        if fields.has(11) { notes = try fields.texts(11) }
    }
}
