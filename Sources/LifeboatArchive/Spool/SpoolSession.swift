import LifeboatCodec
public import LifeboatCore
public import LifeboatFormat
import LifeboatProtocol
import LifeboatStore

/// What a backup into a spool works with: where nodes are, and a session that puts into the outbox.
///
/// It announces nothing and puts no log entry. So it takes chunks from its bases, which stay at the
/// repository as long as they are not forgotten, and from what waits in the spool; never from the
/// repository's index, for a keeper may delete anything else meanwhile.
public struct SpoolSession {
    public let session: WriteSession
    /// Finds the nodes of the bases' block maps.
    public let index: Index
    /// Packs that could not be read.
    public let problems: [LifeboatError]
    private let spool: Spool
    private let earlierPacks: Set<Digest>

    /// While the spool's lock is held.
    public init(
        _ repository: Repository, _ log: LogView, isDryRun: Bool, packBuffers: Int
    ) throws(LifeboatError) {
        guard let spool = repository.spool else {
            throw LifeboatError(.internalFault, "a repository outside a spool is spooled")
        }
        self.spool = spool
        try (repository.store as? SpoolStore)?.recount()
        var notes = try spool.notes()
        try spool.clean(&notes)
        let records = try spool.records()
        let blocked = Set(notes.blocked.map(\.number))
        earlierPacks = Set(
            records.filter { !blocked.contains($0.number) }.flatMap(\.packs))
        let recorded = Set(records.flatMap(\.packs))
        let own = try spool.packs()
        let all = SessionIndex(repository.directories)
        let usable = SessionIndex(repository.directories)
        var problems: [LifeboatError] = []
        var left: [OpenPack] = []
        var names: Set<Digest> = []
        try repository.store.list(ObjectNames.packsPrefix) { name, _ throws(LifeboatError) in
            if let pack = ObjectNames.digest(name) { names.insert(pack) }
        }
        for name in names.sorted() {
            let isLeft = own.contains(name) && !recorded.contains(name)
            // What was sent, or may have been, is not the beginning of another point.
            if isLeft, notes.attempted.contains(name) {
                if !isDryRun { try spool.outbox.delete(ObjectNames.pack(name)) }
                continue
            }
            do throws(LifeboatError) {
                let pack = try OpenPack.open(
                    name, store: repository.store, domains: repository.domains, recovery: nil)
                if isLeft {
                    left.append(pack)
                    continue
                }
                try all.add(name, pack.directory)
                if earlierPacks.contains(name) { try usable.add(name, pack.directory) }
            } catch {
                guard error.code == .damaged else { throw error }
                if isLeft, !isDryRun { try spool.outbox.delete(ObjectNames.pack(name)) }
                problems.append(error)
            }
        }
        self.problems = problems
        index = try Index(scanned: try all.finish(), trusting: [])
        all.leaveFilesOpen()
        session = try WriteSession(
            repository,
            isDryRun ? SessionOpening(readingOnly: log) : SessionOpening(spooling: log.ledger),
            index: try Index(scanned: try usable.finish(), trusting: earlierPacks),
            packBuffers: packBuffers)
        usable.leaveFilesOpen()
        // What an interrupted backup has left goes on as part of this one.
        guard !isDryRun else { return }
        do throws(LifeboatError) {
            for pack in left { try session.take(pack) }
        } catch {
            session.end()
            throw error
        }
    }

    /// Makes a point of what was stored, which waits to be sent.
    ///
    /// `bases`: the points whose block maps it was made of.
    public func commit(
        _ body: PointBody, bases: Set<Digest>
    ) throws(LifeboatError) -> Digest {
        try session.flush()
        let repository = session.repository
        let member = session.writer.writer
        let sealed = PointSealing.seal(body, domain: session.domain, member: member)
        let digest = SHA256Hash.digest(sealed)
        try repository.store.put(
            ObjectNames.pointBody(digest), bytes: sealed, contentDigest: digest)
        var notes = try spool.notes()
        let number = max(notes.lastNumber, try spool.records().last?.number ?? 0) + 1
        notes.lastNumber = number
        try spool.save(notes)
        var byteCount = UInt64(sealed.count)
        for pack in session.stored.packs {
            byteCount += try spool.outbox.size(ObjectNames.pack(pack)) ?? 0
        }
        try spool.add(
            SpoolRecord(
                repository: repository.id, number: number, member: member,
                domain: session.domain.domain, time: body.ended, body: digest,
                bases: bases.sorted(), packs: session.stored.packs,
                earlierPacks: earlierPacks.sorted(), byteCount: byteCount))
        return digest
    }

    /// Removes what no point of the spool needs: the room is for others.
    public func discard() throws(LifeboatError) {
        guard !session.isDryRun else { return }
        let recorded = Set(try spool.records().flatMap(\.packs))
        for pack in try spool.packs() where !recorded.contains(pack) {
            try spool.outbox.delete(ObjectNames.pack(pack))
        }
    }
}

extension Spool {
    /// The points that wait, with their bodies; those that cannot be read are left out and told.
    ///
    /// A waiting point has no place in any log; its id is the digest of its body.
    public func points(
        _ repository: Repository, unusable: (LifeboatError) -> Void
    ) throws(LifeboatError) -> [Point] {
        var points: [Point] = []
        guard isThere else { return [] }
        let notes = try notes()
        let isBlocked = Set(notes.blocked.map(\.number))
        let isSent = Set(notes.sent.map(\.number))
        for record in try records()
        where record.repository == repository.id && !isSent.contains(record.number) {
            do throws(LifeboatError) {
                guard let point = try point(record, repository) else { continue }
                var waiting = point.record
                waiting.isInDoubt = isBlocked.contains(record.number)
                points.append(
                    Point(id: point.id, record: waiting, body: point.body, tags: point.tags))
            } catch {
                unusable(error)
            }
        }
        return points
    }

    /// A point that waits; `nil` when its domain's secret is not at hand.
    func point(
        _ record: SpoolRecord, _ repository: Repository
    ) throws(LifeboatError) -> Point? {
        guard let domain = repository.domains[record.domain] else { return nil }
        let name = ObjectNames.pointBody(record.body)
        let bytes: [UInt8]
        do throws(LifeboatError) {
            bytes = try outbox.get(name, limit: Envelope.byteLimit)
        } catch {
            guard error.code == .missing else { throw error }
            throw LifeboatError(
                .damaged, "the body of the waiting point \(record.body.short) is missing",
                subject: path)
        }
        guard SHA256Hash.digest(bytes) == record.body else {
            throw LifeboatError(
                .damaged, "the body of the waiting point \(record.body.short) is not what it was",
                subject: path)
        }
        let body = try PointSealing.open(
            bytes, domain: domain, member: record.member, subject: name.path)
        let none = Identifier(0, 0)
        return Point(
            id: record.body,
            record: Ledger.Point(
                id: record.body, incarnation: none, sequence: record.number, member: record.member,
                domain: record.domain, body: record.body, time: record.time),
            body: body, tags: body.tags)
    }
}
