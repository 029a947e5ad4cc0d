public import LifeboatCore

/// The kinds of objects, by the four bytes they begin with.
///
/// On disk: never change.
public enum ObjectKind: String, Sendable, CaseIterable {
    case configuration = "LBCF"
    case roster = "LBRO"
    case keySlot = "LBKS"
    case logEntry = "LBLG"
    case pointBody = "LBPT"
    case pack = "LBPK"
    case indexRun = "LBIX"
    case checkRecord = "LBCK"
    case checkpoint = "LBCP"
    case replicaView = "LBRV"
    case spoolRecord = "LBSR"
    case spoolNotes = "LBSN"

    /// The format version that this build writes, and the newest it reads.
    public static let version: UInt16 = 1

    /// Magic, version, and two bytes that the kind may use: the first 8 bytes of every object.
    public func prefix(_ first: UInt8 = 0, _ second: UInt8 = 0) -> [UInt8] {
        var bytes = Array(rawValue.utf8)
        LittleEndian.append(Self.version, to: &bytes)
        bytes.append(first)
        bytes.append(second)
        return bytes
    }

    /// Checks that `bytes` begin as an object of this kind and of a version that can be read.
    public func check(_ bytes: [UInt8], subject: String) throws(LifeboatError) {
        guard bytes.count >= 8 else {
            throw LifeboatError(
                .damaged, "\(subject) has only \(bytes.count) bytes", subject: subject)
        }
        guard Array(bytes[0..<4]) == Array(rawValue.utf8) else {
            throw LifeboatError(
                .damaged, "\(subject) does not begin with \(rawValue)", subject: subject)
        }
        let version = LittleEndian.load(UInt16.self, from: bytes, at: 4)
        guard version > 0 else {
            throw LifeboatError(
                .unsupported, "\(subject) has format version 0, which was never released",
                subject: subject, advice: "make a new repository with: lifeboat init")
        }
        guard version <= Self.version else {
            throw LifeboatError(
                .unsupported,
                "\(subject) has format version \(version), this build reads \(Self.version)",
                subject: subject, advice: "use a newer lifeboat")
        }
    }
}
