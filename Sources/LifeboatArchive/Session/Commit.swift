import LifeboatCodec
public import LifeboatCore
public import LifeboatFormat
import LifeboatProtocol
import LifeboatStore
import LifeboatSystem

extension WriteSession {
    /// Makes a point of what was stored: index runs first, then the body, then, with one write,
    /// the log entry that makes it visible.
    ///
    /// - Throws: `.refused` when somebody else wrote with this writer's identity meanwhile and
    ///   goes on doing so; whatever was stored stays and is taken over by the next session.
    public func commit(_ body: PointBody) throws(LifeboatError) -> Point {
        try commit(body, time: nil) { _ in }
    }

    /// - `time`: what the entry claims; now where it is `nil`.
    /// - `noting`: hears the digest that the entry will name, before it can be there.
    func commit(
        _ body: PointBody, time: UInt64?, noting: (Digest) throws(LifeboatError) -> Void
    ) throws(LifeboatError) -> Point {
        let sealed = PointSealing.seal(body, domain: domain, member: writer.writer)
        let digest = SHA256Hash.digest(sealed)
        let verified = try commitEntry(replacing: [], naming: true, time: time) {
            () throws(LifeboatError) in
            try noting(digest)
            try repository.store.put(
                ObjectNames.pointBody(digest), bytes: sealed, contentDigest: digest)
            metadataBytes += UInt64(sealed.count)
            return digest
        }
        let entry = verified.entry
        let record = Ledger.Point(
            id: verified.id, incarnation: entry.incarnation, sequence: entry.sequence,
            member: entry.member, domain: entry.domain, body: digest, time: entry.time)
        return Point(id: verified.id, record: record, body: body, tags: body.tags)
    }

    /// Replaces all `runs` that may be replaced by what this session indexed.
    ///
    /// For rebuilding an index.
    public func commitIndex(replacing runs: Set<Digest>) throws(LifeboatError) -> Int {
        // Packs that no entry names belong to nobody, or to a session that has not ended.
        try commitEntry(replacing: runs, naming: false) { () throws(LifeboatError) in .zero }
            .entry.runs.count
    }

    /// - `naming`: whether the packs at hand are this session's own.
    /// - `storeBody`: stores the point's body, after everything else is durable.
    private func commitEntry(
        replacing old: Set<Digest>, naming: Bool, time: UInt64? = nil,
        storeBody: () throws(LifeboatError) -> Digest
    ) throws(LifeboatError) -> VerifiedEntry {
        guard let open = opening.session else {
            throw LifeboatError(.internalFault, "a dry run commits")
        }
        try flush()
        let (added, replaced) = try storeRuns()
        let body = try storeBody()
        let packs = naming ? stored.packs : []
        let before = open.byteCount
        let verified = try open.commit(time: time) { entry in
            entry.body = body
            entry.packs = packs
            entry.runs = added
            entry.replacedRuns = (Set(replaced).union(old)).subtracting(added).sorted()
        }
        metadataBytes += UInt64(open.byteCount - before)
        // The entry stands; what is left over of the journal does no harm.
        try? open.journal.remove()
        return verified
    }

    /// Drops a session whose packs nobody needs: a dry run, or one that stored nothing.
    public func discard() {
        if stored.packs.isEmpty { opening.session?.close() }
    }

    /// Whether this session may replace a run: a writer may replace its own only.
    private func mayReplace(_ run: Digest) -> Bool {
        guard let owner = opening.ledger.runs[run] else { return false }
        return owner.member == writer.writer
            || repository.roster.member(writer.writer)?.role == .keeper
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
        var all = index.runs.filter { mayReplace($0.name) } + fresh
        var replaced: [Digest] = []
        while true {
            var due = IndexMerge.due(all)
            guard !due.isEmpty else { break }
            // What a merge takes from the cache it signs: so it takes what was signed before, as
            // long as that can be had.
            for position in due.indices
            where index.runs.contains(where: { $0.name == due[position].name }) {
                if let run = try? Index.fetchRun(repository, due[position].name) {
                    due[position] = run
                }
            }
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
        try repository.store.put(
            ObjectNames.indexRun(name), bytes: object, contentDigest: name)
        metadataBytes += UInt64(object.count)
        let path = repository.directories.indexCache + "/" + name.hex
        try Files.writeAtomically(path, plain)
        return try IndexRun(name, path: path)
    }
}
