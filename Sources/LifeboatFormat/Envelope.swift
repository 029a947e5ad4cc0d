public import LifeboatCore

/// A small object with a CBOR payload, signed or not: formats/objects.md, "Envelope".
///
/// Layout: prefix (8 bytes), payload length (4), payload, and, where it is signed, an Ed25519
/// signature (64) over all bytes before it.
public struct Envelope: Sendable {
    public let kind: ObjectKind
    public let payload: CBOR
    /// What the signature covers.
    public let signedBytes: [UInt8]
    /// Empty for an object without a signature.
    public let signature: [UInt8]

    /// No small object is larger; a log entry that adds a million packs has 32 MB.
    public static let byteLimit = 64 << 20

    /// The bytes before the signature.
    public static func unsigned(_ kind: ObjectKind, _ payload: CBOR) -> [UInt8] {
        let body = payload.encoded()
        var bytes = kind.prefix()
        LittleEndian.append(UInt32(body.count), to: &bytes)
        return bytes + body
    }

    /// Takes an object apart.
    ///
    /// The signature is returned, not checked.
    public init(
        _ kind: ObjectKind, decoding bytes: [UInt8], isSigned: Bool, subject: String
    ) throws(LifeboatError) {
        try kind.check(bytes, subject: subject)
        guard bytes[6] == 0, bytes[7] == 0 else {
            throw LifeboatError(.damaged, "\(subject) has flags set", subject: subject)
        }
        let tail = isSigned ? 64 : 0
        guard bytes.count >= 12 + tail else {
            throw LifeboatError(.damaged, "\(subject) ends inside its header", subject: subject)
        }
        let length = Int(LittleEndian.load(UInt32.self, from: bytes, at: 8))
        guard bytes.count == 12 + length + tail else {
            throw LifeboatError(
                .damaged, "\(subject) has \(bytes.count) bytes instead of \(12 + length + tail)",
                subject: subject)
        }
        self.kind = kind
        signedBytes = Array(bytes[0..<12 + length])
        signature = Array(bytes[(12 + length)...])
        do {
            payload = try CBOR.decode(Array(bytes[12..<12 + length]))
        } catch {
            throw error.about(subject)
        }
    }
}
