public import LifeboatCore
public import LifeboatFormat
public import LifeboatStore

/// Where things are in a store.
///
/// Source: formats/README.md, "Names". On disk: never change.
public enum ObjectNames {
    public static let configurationPrefix = "config/"
    public static let rosterPrefix = "roster/"
    public static let keysPrefix = "keys/"
    public static let packsPrefix = "packs/"
    public static let indexPrefix = "index/"
    public static let logPrefix = "log/"
    public static let checkpointsPrefix = "checkpoints/"
    public static let pointsPrefix = "points/"
    public static let checksPrefix = "checks/"
    public static let damagedPrefix = "damaged/"
    public static let replicaPrefix = "replica/"
    /// Says that this place is a replica, which nobody writes to but who brings it up to date.
    public static let replicaMark: ObjectName = "replica/mark"

    /// What of the logs a replica has whole.
    public static func replicaView(_ number: UInt64) -> ObjectName {
        ObjectName(replicaPrefix + padded(number, 16))
    }

    /// Points that wait in a spool.
    static let spoolRecordsPrefix = "records/"

    static func spoolRecord(_ number: UInt64) -> ObjectName {
        ObjectName(spoolRecordsPrefix + padded(number, 16))
    }

    public static func configuration(_ number: UInt64) -> ObjectName {
        ObjectName(configurationPrefix + padded(number, 10))
    }

    public static func roster(_ number: UInt64) -> ObjectName {
        ObjectName(rosterPrefix + padded(number, 10))
    }

    public static func keySlot(_ id: Identifier) -> ObjectName { ObjectName(keysPrefix + id.hex) }

    public static func pack(_ name: Digest) -> ObjectName {
        let hex = name.hex
        return ObjectName(packsPrefix + hex.prefix(2) + "/" + hex)
    }

    public static func indexRun(_ name: Digest) -> ObjectName {
        ObjectName(indexPrefix + name.hex)
    }

    public static func logEntry(_ incarnation: Identifier, _ sequence: UInt64) -> ObjectName {
        ObjectName(logPrefix + incarnation.hex + "/" + padded(sequence, 16))
    }

    public static func pointBody(_ digest: Digest) -> ObjectName {
        ObjectName(pointsPrefix + digest.hex)
    }

    public static func checkpoint(_ name: LogEntry.CheckpointName) -> ObjectName {
        ObjectName(checkpointsPrefix + padded(name.ordinal, 16) + "-" + name.digest.hex)
    }

    /// The name that a checkpoint's object has, if it has one.
    static func checkpointName(_ name: ObjectName) -> LogEntry.CheckpointName? {
        let parts = name.path.dropFirst(checkpointsPrefix.count).split(separator: "-")
        guard name.path.hasPrefix(checkpointsPrefix), parts.count == 2,
            let ordinal = UInt64(parts[0]), let digest = Digest(hex: parts[1])
        else { return nil }
        return LogEntry.CheckpointName(ordinal: ordinal, digest: digest)
    }

    public static func object(_ reference: ObjectReference) -> ObjectName {
        switch reference.kind {
        case .pack: pack(reference.digest)
        case .indexRun: indexRun(reference.digest)
        case .pointBody: pointBody(reference.digest)
        }
    }

    public static func check(time: UInt64, _ suffix: String) -> ObjectName {
        ObjectName(checksPrefix + padded(time, 16) + "-" + suffix)
    }

    /// The marker of a pack that a verification found damaged or missing.
    public static func damagedMarker(_ pack: Digest) -> ObjectName {
        ObjectName(damagedPrefix + pack.hex)
    }

    /// The bytes that stood under a damaged pack's name.
    public static func damagedBytes(_ pack: Digest) -> ObjectName {
        ObjectName(damagedPrefix + pack.hex + ".pack")
    }

    /// The digest that a name ends with, if it does.
    public static func digest(_ name: ObjectName) -> Digest? {
        Digest(hex: String(name.path.split(separator: "/").last ?? ""))
    }

    private static func padded(_ number: UInt64, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
