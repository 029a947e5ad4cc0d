import LifeboatCodec
public import LifeboatCore
import LifeboatFormat
import LifeboatStore

/// Seals plain tables into index run objects, and opens them again.
///
/// Source: formats/index.md.
enum IndexRunObject {
    static func seal(_ plain: [UInt8], domain: DomainKeys, writer: WriterKeys) -> [UInt8] {
        let salt = randomBytes(32)
        let header = IndexRunLayout.header(
            repository: domain.repository, domain: domain.domain, writer: writer.writer,
            salt: salt)
        let cipher = domain.cipher(IndexRunLayout.blockLabel, salt: salt)
        let block = IndexRunLayout.blockByteCount
        let count = (plain.count + block - 1) / block
        var bytes = header
        bytes.reserveCapacity(header.count + plain.count + count * 16 + 64)
        for index in 0..<count {
            let piece = Array(plain[index * block..<min(plain.count, (index + 1) * block)])
            bytes += cipher.seal(
                counter: UInt64(index),
                associatedData: IndexRunLayout.blockAssociatedData(
                    header: header, isLast: index == count - 1),
                plain: piece)
        }
        return bytes + writer.signing.sign(message(bytes))
    }

    private static func message(_ bytes: [UInt8]) -> [UInt8] {
        Array(ObjectKind.indexRun.rawValue.utf8) + SHA256Hash.digest(bytes).bytes
    }

    /// Checks what can be checked without a secret: name, form and signature.
    static func check(
        _ bytes: [UInt8], name: Digest, roster: Roster, subject: String
    ) throws(LifeboatError) {
        guard SHA256Hash.digest(bytes) == name else {
            throw LifeboatError(
                .damaged, "the index run is not what its name says", subject: subject,
                advice: "run: lifeboat index rebuild")
        }
        try ObjectKind.indexRun.check(bytes, subject: subject)
        guard bytes.count > IndexRunLayout.headerByteCount + IndexRunLayout.signatureByteCount + 16,
            let writer = Identifier(Array(bytes[40..<56]))
        else { throw LifeboatError(.damaged, "the index run is too short", subject: subject) }
        let end = bytes.count - IndexRunLayout.signatureByteCount
        guard let member = roster.member(writer),
            member.role == .keeper || member.domain == Identifier(Array(bytes[24..<40])),
            Signature.isValid(
                Array(bytes[end...]), of: message(Array(bytes[0..<end])), by: member.publicKey)
        else {
            throw LifeboatError(
                .damaged, "the index run is not signed by a writer of this repository",
                subject: subject, advice: "run: lifeboat index rebuild")
        }
    }

    /// Opens an index run object: its plain table.
    static func open(
        _ bytes: [UInt8], name: Digest, domain: DomainKeys, roster: Roster, subject: String
    ) throws(LifeboatError) -> [UInt8] {
        try check(bytes, name: name, roster: roster, subject: subject)
        let header = Array(bytes[0..<IndexRunLayout.headerByteCount])
        guard Identifier(Array(header[8..<24])) == domain.repository,
            Identifier(Array(header[24..<40])) == domain.domain
        else {
            throw LifeboatError(
                .damaged, "the index run belongs to another repository or domain",
                subject: subject)
        }
        let cipher = domain.cipher(IndexRunLayout.blockLabel, salt: Array(header[56..<88]))
        let end = bytes.count - IndexRunLayout.signatureByteCount
        var plain: [UInt8] = []
        plain.reserveCapacity(bytes.count)
        var position = header.count
        var index: UInt64 = 0
        while position < end {
            let length = min(IndexRunLayout.sealedBlockByteCount, end - position)
            do throws(LifeboatError) {
                plain += try cipher.open(
                    counter: index,
                    associatedData: IndexRunLayout.blockAssociatedData(
                        header: header, isLast: position + length == end),
                    sealed: Array(bytes[position..<position + length]))
            } catch {
                throw LifeboatError(
                    .damaged, "block \(index) of the index run does not authenticate",
                    subject: subject, advice: "run: lifeboat index rebuild")
            }
            position += length
            index += 1
        }
        return plain
    }
}

extension Repository {
    /// Checks name and signature of every live index run, without a secret.
    public func checkIndexRuns(_ log: LogView) throws(LifeboatError) -> [LifeboatError] {
        var problems: [LifeboatError] = []
        for name in log.liveRuns.sorted() {
            let object = ObjectNames.indexRun(name)
            do throws(LifeboatError) {
                try store.get(object, limit: 64 << 20) { bytes throws(LifeboatError) in
                    try IndexRunObject.check(
                        bytes, name: name, roster: roster, subject: object.path)
                }
            } catch {
                switch error.code {
                case .missing:
                    problems.append(
                        LifeboatError(
                            .damaged, "the index run is missing", subject: object.path,
                            advice: "run: lifeboat index rebuild"))
                case .damaged, .unsupported: problems.append(error)
                default: throw error
                }
            }
        }
        return problems
    }
}
