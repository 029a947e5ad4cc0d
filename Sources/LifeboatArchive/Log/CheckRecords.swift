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
        depth: CheckRecord.Depth, percent: Int, problems: Int, heads: [LogHead]
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
            let record = try? store.get(name, limit: 16 << 20) { bytes throws(LifeboatError) in
                try openCheckRecord(bytes, subject: name.path)
            }
            if let record { records.append(record) }
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

    /// Opens a record that somebody of this repository signed.
    private func openCheckRecord(
        _ bytes: [UInt8], subject: String
    ) throws(LifeboatError) -> CheckRecord {
        let envelope = try Envelope(
            .checkRecord, decoding: bytes, isSigned: true, subject: subject)
        let record = try CheckRecord(payload: envelope.payload, subject: subject)
        let keys =
            record.signer == id
            ? configurations.links.map(\.configuration.rootKey)
            : roster.member(record.signer).map { [$0.publicKey] } ?? []
        guard record.repository == id,
            keys.contains(where: {
                Signature.isValid(envelope.signature, of: envelope.signedBytes, by: $0)
            })
        else {
            throw LifeboatError(
                .damaged, "the record of a verification is not signed by one of this repository",
                subject: subject)
        }
        return record
    }

    /// Looks for damage in what a restore does not need: records of verifications and key slots.
    ///
    /// The sealed part of a key slot can be checked only by who has what opens it.
    public func checkSmallObjects() throws(LifeboatError) -> [LifeboatError] {
        var problems: [LifeboatError] = []
        var names: [ObjectName] = []
        try store.list(ObjectNames.checksPrefix) { name, _ throws(LifeboatError) in
            names.append(name)
        }
        for name in names {
            do throws(LifeboatError) {
                _ = try store.get(name, limit: 16 << 20) { bytes throws(LifeboatError) in
                    try openCheckRecord(bytes, subject: name.path)
                }
            } catch {
                guard error.code == .damaged || error.code == .unsupported else { throw error }
                problems.append(
                    LifeboatError(
                        error.code, error.message, subject: name.path,
                        advice: "it only tells of an earlier verification; remove it"))
            }
        }
        for slot in try Self.keySlots(store) {
            if case .failure(let error) = slot { problems.append(error) }
        }
        return problems
    }
}
