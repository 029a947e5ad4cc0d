import LifeboatCodec
public import LifeboatCore
public import LifeboatFormat
import LifeboatStore
import LifeboatSystem

extension WriteSession {
    /// Makes a point of what was stored: index runs first, then the body, then, with one write,
    /// the log entry that makes it visible.
    ///
    /// - Throws: `.refused` when somebody else wrote with this writer's identity meanwhile and
    ///   goes on doing so; whatever was stored stays and is taken over by the next session.
    public func commit(_ body: PointBody, log: LogView) throws(LifeboatError) -> Point {
        try flush()
        let packs = stored.packs
        let (added, replaced) = try storeRuns()
        let lock = try File(
            path: repository.directories.lockFile,
            access: Files.exists(repository.directories.lockFile) ? .readWrite : .createNew)
        _ = try lock.lock(exclusive: true, wait: true)
        let incarnation = try Self.incarnation(repository.directories)
        for _ in 0..<16 {
            let now = try repository.readLog()
            let known = now.packs
            let own = now.logs[incarnation]?.last
            // Where the own log's end was removed, its number must not be given twice.
            let remembered = RememberedHeads.load(repository.directories).first {
                $0.incarnation == incarnation
            }
            if let remembered, remembered.sequence > own?.entry.sequence ?? 0 {
                throw LifeboatError(
                    .refused, "this host's own log ends before entry \(remembered.sequence)",
                    subject: ObjectNames.logEntry(incarnation, remembered.sequence).path,
                    advice: "the repository was set back; bring the newer state back first")
            }
            let sequence = (own?.entry.sequence ?? 0) + 1
            let sealed = PointSealing.seal(
                body, domain: domain, incarnation: incarnation, sequence: sequence)
            let entry = LogEntry(
                repository: repository.id, writer: writer.writer, incarnation: incarnation,
                sequence: sequence, previous: own?.id ?? .zero, domain: domain.domain,
                time: Clock.milliseconds(), body: SHA256Hash.digest(sealed),
                packs: packs.filter { !known.contains($0) }, runs: added, replacedRuns: replaced,
                heads: now.heads.filter { $0.incarnation != incarnation })
            let object = Repository.signed(.logEntry, entry.payload, by: writer.signing)
            let bodyName = ObjectNames.pointBody(incarnation, sequence)
            do throws(LifeboatError) {
                // A body without its entry is what a run leaves that died right here; it was
                // never visible.
                if now.logs[incarnation]?.contains(where: { $0.entry.sequence == sequence })
                    != true, try repository.store.size(bodyName) != nil,
                    try repository.store.size(ObjectNames.logEntry(incarnation, sequence)) == nil
                {
                    try repository.store.delete(bodyName)
                }
                try repository.store.put(bodyName, bytes: sealed)
                try repository.store.put(
                    ObjectNames.logEntry(incarnation, sequence), bytes: object)
            } catch {
                if error.code == .exists { continue }
                throw error
            }
            metadataBytes += UInt64(sealed.count + object.count)
            let id = SHA256Hash.digest(object)
            try RememberedHeads.save(
                now.heads + [.init(incarnation: incarnation, sequence: sequence, digest: id)],
                repository.directories)
            // The point stands; what is left over of journals does no harm.
            try? journal.remove()
            for old in adopted { try? old.remove() }
            return Point(id: id, entry: entry, body: body)
        }
        throw LifeboatError(
            .refused, "another process keeps writing with this writer's identity",
            subject: ObjectNames.logPrefix + incarnation.hex,
            advice: "do not share a state directory between hosts")
    }

    /// Drops a session whose packs nobody needs: a dry run, or one that stored nothing.
    public func discard() {
        if stored.packs.isEmpty { try? journal.remove() }
    }

    /// Stores this session's entries, merged with older runs where too many lie over each other.
    private func storeRuns() throws(LifeboatError) -> (added: [Digest], replaced: [Digest]) {
        var fresh: [IndexRun] = []
        var added: [Digest] = []
        try IndexMerge.merge(try stored.finish(), level: 0) { plain throws(LifeboatError) in
            let run = try storeRun(plain)
            fresh.append(run)
            added.append(run.name)
        }
        var all = index.runs + fresh
        var replaced: [Digest] = []
        while true {
            let due = IndexMerge.due(all)
            guard !due.isEmpty else { break }
            var merged: [IndexRun] = []
            try IndexMerge.merge(due, level: due[0].shape.level + 1) {
                plain throws(LifeboatError) in
                merged.append(try storeRun(plain))
            }
            let gone = Set(due.map(\.name))
            all = all.filter { !gone.contains($0.name) } + merged
            added = added.filter { !gone.contains($0) } + merged.map(\.name)
            replaced += due.map(\.name).filter { name in index.runs.contains { $0.name == name } }
        }
        return (added, replaced)
    }

    private func storeRun(_ plain: [UInt8]) throws(LifeboatError) -> IndexRun {
        let object = IndexRunObject.seal(plain, domain: domain, writer: writer)
        let name = SHA256Hash.digest(object)
        try repository.store.put(ObjectNames.indexRun(name), bytes: object)
        metadataBytes += UInt64(object.count)
        let path = repository.directories.indexCache + "/" + name.hex
        try Files.writeAtomically(path, plain)
        return try IndexRun(name, path: path)
    }

    /// The random id of this state directory, made when it is first wanted.
    private static func incarnation(
        _ directories: LocalDirectories
    ) throws(LifeboatError) -> Identifier {
        if Files.exists(directories.incarnationFile) {
            let bytes = try Files.readWhole(directories.incarnationFile, limit: 64)
            let text = String(decoding: bytes, as: UTF8.self)
            guard let id = Identifier(hex: text.prefix(32)) else {
                throw LifeboatError(
                    .damaged, "the incarnation file is unreadable",
                    subject: directories.incarnationFile,
                    advice: "remove it; the next backup begins a new log")
            }
            return id
        }
        let id = Identifier.random()
        try Files.writeAtomically(directories.incarnationFile, Array((id.hex + "\n").utf8))
        return id
    }
}
