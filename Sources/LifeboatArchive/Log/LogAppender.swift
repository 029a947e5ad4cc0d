import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatStore
import LifeboatSystem

/// Appends entries to this state directory's log.
///
/// Processes of one host take turns by a lock file; a foreign process with the same identity is
/// noticed because a name can be put only once.
struct LogAppender {
    let repository: Repository
    let domain: DomainKeys
    let writer: WriterKeys

    private static let attempts = 16

    func append(
        _ body: PointBody?, packs: [Digest], runs: [Digest], replacedRuns: [Digest]
    ) throws(LifeboatError) -> (entry: VerifiedEntry, byteCount: Int) {
        let directories = repository.directories
        let lock = try Self.lockFile(directories.lockFile)
        _ = try lock.lock(exclusive: true, wait: true)
        let incarnation = try Self.incarnation(directories)
        for _ in 0..<Self.attempts {
            let log = try repository.readLog()
            let last = log.logs[incarnation]?.last
            try refuseRollback(incarnation, log.logs[incarnation] ?? [])
            let sequence = (last?.entry.sequence ?? 0) + 1
            let sealed = body.map {
                PointSealing.seal(
                    $0, domain: domain, incarnation: incarnation, sequence: sequence)
            }
            let known = log.packs
            let entry = LogEntry(
                repository: repository.id, writer: writer.writer, incarnation: incarnation,
                sequence: sequence, previous: last?.id ?? .zero, domain: domain.domain,
                time: Clock.milliseconds(), body: sealed.map { SHA256Hash.digest($0) } ?? .zero,
                packs: packs.filter { !known.contains($0) }, runs: runs,
                replacedRuns: replacedRuns,
                heads: log.heads.filter { $0.incarnation != incarnation })
            let object = Repository.signed(.logEntry, entry.payload, by: writer.signing)
            var displaced: [UInt8]?
            do throws(LifeboatError) {
                if let sealed { displaced = try putBody(sealed, incarnation, sequence) }
                try repository.store.put(
                    ObjectNames.logEntry(incarnation, sequence), bytes: object)
            } catch {
                guard error.code == .exists else { throw error }
                if let displaced { try bringBack(displaced, incarnation, sequence) }
                continue
            }
            let id = SHA256Hash.digest(object)
            try RememberedHeads.save(
                log.heads + [.init(incarnation: incarnation, sequence: sequence, digest: id)],
                directories)
            return (VerifiedEntry(id: id, entry: entry), object.count + (sealed?.count ?? 0))
        }
        throw LifeboatError(
            .refused, "another process keeps writing with this writer's identity",
            subject: ObjectNames.logPrefix + incarnation.hex,
            advice: "do not share a state directory between hosts")
    }

    /// Puts a body, and returns the one that it displaced.
    private func putBody(
        _ sealed: [UInt8], _ incarnation: Identifier, _ sequence: UInt64
    ) throws(LifeboatError) -> [UInt8]? {
        let name = ObjectNames.pointBody(incarnation, sequence)
        let entry = ObjectNames.logEntry(incarnation, sequence)
        var displaced: [UInt8]?
        if try repository.store.size(name) != nil, try repository.store.size(entry) == nil {
            // A body without its entry is what a run left that died right here. It was never
            // visible, and this process holds the log's lock.
            displaced = try repository.store.get(name, limit: Envelope.byteLimit)
            try repository.store.delete(name)
        }
        try repository.store.put(name, bytes: sealed)
        return displaced
    }

    /// Puts a displaced body back where the entry that appeared meanwhile names it: another host
    /// writes with a copy of this state directory, and was between its two puts.
    private func bringBack(
        _ displaced: [UInt8], _ incarnation: Identifier, _ sequence: UInt64
    ) throws(LifeboatError) {
        let name = ObjectNames.logEntry(incarnation, sequence)
        let bytes = try repository.store.get(name, limit: Envelope.byteLimit)
        let envelope = try Envelope(.logEntry, decoding: bytes, isSigned: true, subject: name.path)
        let entry = try LogEntry(payload: envelope.payload, subject: name.path)
        guard entry.body == SHA256Hash.digest(displaced) else { return }
        let body = ObjectNames.pointBody(incarnation, sequence)
        try repository.store.delete(body)
        try repository.store.put(body, bytes: displaced)
    }

    /// The file that processes of one host take turns by; made when it is first wanted.
    private static func lockFile(_ path: String) throws(LifeboatError) -> File {
        do throws(LifeboatError) {
            return try File(path: path, access: .createNew)
        } catch {
            guard error.code == .exists else { throw error }
            return try File(path: path, access: .readWrite)
        }
    }

    /// A number that this host gave once is never given again.
    private func refuseRollback(
        _ incarnation: Identifier, _ entries: [VerifiedEntry]
    ) throws(LifeboatError) {
        let remembered = RememberedHeads.load(repository.directories).first {
            $0.incarnation == incarnation
        }
        guard let remembered else { return }
        let entry = entries.first { $0.entry.sequence == remembered.sequence }
        guard entry?.id != remembered.digest else { return }
        let what =
            entry != nil
            ? "entry \(remembered.sequence) of this host's own log is not the one that it wrote"
            : "this host's own log lacks its entry \(remembered.sequence)"
        throw LifeboatError(
            .refused, what,
            subject: ObjectNames.logEntry(incarnation, remembered.sequence).path,
            advice: "the repository was set back; bring the newer state back first")
    }

    /// The random id of this state directory, made when it is first wanted.
    private static func incarnation(
        _ directories: LocalDirectories
    ) throws(LifeboatError) -> Identifier {
        guard Files.exists(directories.incarnationFile) else {
            let id = Identifier.random()
            try Files.writeAtomically(directories.incarnationFile, Array((id.hex + "\n").utf8))
            return id
        }
        let bytes = try Files.readWhole(directories.incarnationFile, limit: 64)
        guard let id = Identifier(hex: String(decoding: bytes, as: UTF8.self).prefix(32)) else {
            throw LifeboatError(
                .damaged, "the incarnation file is unreadable",
                subject: directories.incarnationFile,
                advice: "remove it; the next backup begins a new log")
        }
        return id
    }
}
