import LifeboatCodec
public import LifeboatCore
public import LifeboatFormat
import LifeboatStore
import LifeboatSystem

extension Repository {
    /// Stores the record of a verification, signed by the writer or the root key at hand.
    ///
    /// - Throws: `.wrongKey` when there is neither.
    public func record(
        depth: CheckRecord.Depth, percent: Int, problems: Int, heads: [LogEntry.Head]
    ) throws(LifeboatError) {
        let signer: (Identifier, SigningKey)
        if let writer {
            signer = (writer.writer, writer.signing)
        } else {
            signer = (id, try requireRecovery().root)
        }
        let time = Clock.milliseconds()
        let record = CheckRecord(
            repository: id, signer: signer.0, time: time, depth: depth, percent: UInt64(percent),
            problems: UInt64(problems), heads: heads)
        try store.put(
            ObjectNames.check(time: time, Hex.encode(randomBytes(4))),
            bytes: Self.signed(.checkRecord, record.payload, by: signer.1))
    }

    /// Opens a record; `nil` when nobody of this repository signed it.
    public func checkRecord(_ bytes: [UInt8], subject: String) -> CheckRecord? {
        guard
            let envelope = try? Envelope(
                .checkRecord, decoding: bytes, isSigned: true, subject: subject),
            let record = try? CheckRecord(payload: envelope.payload, subject: subject),
            record.repository == id
        else { return nil }
        let key =
            record.signer == id ? configuration.rootKey : roster.member(record.signer)?.publicKey
        guard let key,
            Signature.isValid(envelope.signature, of: envelope.signedBytes, by: key)
        else { return nil }
        return record
    }
}
