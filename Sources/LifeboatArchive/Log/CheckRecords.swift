import LifeboatCodec
public import LifeboatCore
public import LifeboatFormat
import LifeboatStore
import LifeboatSystem

extension Repository {
    /// Stores the record of a verification, signed by the writer or the root key at hand.
    ///
    /// Without either, the record stays on this host, in the state directory.
    public func record(
        depth: CheckRecord.Depth, percent: Int, problems: Int, heads: [LogEntry.Head]
    ) throws(LifeboatError) {
        let time = Clock.milliseconds()
        var record = CheckRecord(
            repository: id, signer: id, time: time, depth: depth, percent: UInt64(percent),
            problems: UInt64(problems), heads: heads)
        let key: SigningKey
        if let writer {
            record.signer = writer.writer
            key = writer.signing
        } else if let recovery {
            key = recovery.root
        } else {
            return try Files.writeAtomically(
                directories.checks + "/\(time)", Envelope.unsigned(.checkRecord, record.payload))
        }
        try store.put(
            ObjectNames.check(time: time, Hex.encode(randomBytes(4))),
            bytes: Self.signed(.checkRecord, record.payload, by: key))
    }

    /// The records that stand in the repository and were signed, and those of this host.
    public func checkRecords() throws(LifeboatError) -> [CheckRecord] {
        var names: [ObjectName] = []
        try store.list(ObjectNames.checksPrefix) { name, _ throws(LifeboatError) in
            names.append(name)
        }
        var records: [CheckRecord] = []
        for name in names {
            if let bytes = try? store.get(name, limit: 16 << 20),
                let record = checkRecord(bytes, subject: name.path)
            {
                records.append(record)
            }
        }
        for name in try Files.list(directories.checks) {
            if let bytes = try? Files.readWhole(directories.checks + "/" + name, limit: 16 << 20),
                let envelope = try? Envelope(
                    .checkRecord, decoding: bytes, isSigned: false, subject: name),
                let record = try? CheckRecord(payload: envelope.payload, subject: name)
            {
                records.append(record)
            }
        }
        return records
    }

    /// Opens a record; `nil` when nobody of this repository signed it.
    func checkRecord(_ bytes: [UInt8], subject: String) -> CheckRecord? {
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
