import LifeboatCodec
public import LifeboatCore
import LifeboatFormat
import LifeboatProtocol
import LifeboatStore
import LifeboatSystem

/// Sends what waits in a spool to its repository, each point with a session and an entry of its own.
///
/// Whatever it is interrupted at, the next run goes on, and sends nothing twice. Source:
/// formats/spool.md. Used by one thread, once, while the spool's lock is held.
public final class SpoolSender {
    /// A point that the repository has now.
    public struct Sent: Sendable {
        /// The id that it had in the spool.
        public var local: Digest
        /// The id that it has in the repository.
        public var point: Digest
        public var packs: Int
        /// Bytes of packs that were sent by this run.
        public var byteCount: UInt64
    }

    /// What was done.
    public struct Outcome: Sendable {
        public var sent: [Sent] = []
        /// Why points could not be sent, by their ids in the spool.
        public var blocked: [(local: Digest, error: LifeboatError)] = []
    }

    private let repository: Repository
    private let spool: Spool
    private let events: any EventSink
    private let cancellation: Cancellation
    private var notes: SpoolNotes
    private var outcome = Outcome()

    /// - Throws: `.refused` when the spool is of another repository, or this is no writer's key.
    public init(
        _ repository: Repository, _ spool: Spool, events: any EventSink, cancellation: Cancellation
    ) throws(LifeboatError) {
        _ = try repository.requireWriter()
        try spool.check(repository)
        self.repository = repository
        self.spool = spool
        self.events = events
        self.cancellation = cancellation
        notes = try spool.notes()
    }

    /// Sends all points that wait, in their order; those that cannot be sent stay.
    ///
    /// `retries`: also those that could not be sent the last time.
    public func run(retries: Bool = true) throws(LifeboatError) -> Outcome {
        try spool.clean(&notes)
        try recogniseCommitted()
        for number in try spool.records().map(\.number) {
            try cancellation.check()
            // What was sent just now may have changed what it says of packs.
            guard let record = try spool.records().first(where: { $0.number == number }),
                record.repository == repository.id
            else { continue }
            let known = notes.blocked.first { $0.number == record.number }
            if let known, !retries {
                outcome.blocked.append((record.body, advised(record, known.value)))
                continue
            }
            do throws(LifeboatError) {
                try send(record)
                notes.blocked.removeAll { $0.number == record.number }
            } catch {
                guard error.code == .refused, error.subject == record.body.hex else { throw error }
                notes.blocked.removeAll { $0.number == record.number }
                notes.blocked.append(.init(record.number, error.message))
                outcome.blocked.append((record.body, error))
            }
            try spool.save(notes)
            try spool.clean(&notes)
        }
        return outcome
    }

    /// Finds points that were committed by a run that died before it could say so.
    private func recogniseCommitted() throws(LifeboatError) {
        guard !notes.bodies.isEmpty else { return }
        let ledger = try repository.readLog().ledger
        for record in try spool.records() {
            if let known = try recognised(record, ledger) { try finish(record, known, 0) }
        }
        try spool.clean(&notes)
    }

    private func blocked(_ record: SpoolRecord, _ why: String) -> LifeboatError {
        advised(record, "point \(record.body.short) cannot be sent: \(why)")
    }

    private func advised(_ record: SpoolRecord, _ message: String) -> LifeboatError {
        LifeboatError(
            .refused, message, subject: record.body.hex,
            advice: "drop it with: lifeboat spool drop \(record.body.short); "
                + "the next backup makes a whole point")
    }

    private func send(_ waiting: SpoolRecord) throws(LifeboatError) {
        var record = waiting
        guard let point = try readPoint(record) else {
            throw blocked(record, "the secret of its domain is not at hand")
        }
        guard try repository.requireDomain().domain == record.domain else {
            throw blocked(record, "it is of another domain than this writer's")
        }
        let opening = try SessionOpening(repository)
        defer { opening.end() }
        if let known = try recognised(record, opening.ledger) {
            // What dead sessions left is for the next one; else nothing keeps this one open.
            if opening.session?.abandoned.allSatisfy(\.packs.isEmpty) == true {
                opening.session?.close()
            }
            return try finish(record, known, 0)
        }
        let inherited = Set((opening.session?.abandoned ?? []).flatMap(\.packs))
        let index = try Index.open(repository, ledger: opening.ledger)
        let session = try WriteSession(repository, opening, index: index, packBuffers: 3)
        defer { session.end() }
        do throws(LifeboatError) {
            try check(record, point.body, session, index)
            let missing = try missingPacks(&record, session, inherited)
            let byteCount = try put(missing, record, session)
            let body = resealable(point.body, record, opening.ledger)
            let sent = try session.commit(body, time: record.time) {
                digest throws(LifeboatError) in
                notes.bodies.append(.init(waiting.number, digest))
                try spool.save(notes)
            }
            try finish(record, sent.id, byteCount)
        } catch {
            session.discard()
            throw error
        }
    }

    private func readPoint(_ record: SpoolRecord) throws(LifeboatError) -> Point? {
        do throws(LifeboatError) {
            return try spool.point(record, repository)
        } catch {
            guard error.code == .damaged else { throw error }
            throw blocked(record, error.message)
        }
    }

    /// The id of the point that an earlier run committed; `nil` when none did.
    private func recognised(
        _ record: SpoolRecord, _ ledger: Ledger
    ) throws(LifeboatError) -> Digest? {
        let bodies = Set(notes.bodies.filter { $0.number == record.number }.map(\.value))
        guard !bodies.isEmpty,
            let point = ledger.allPoints.values.first(where: { bodies.contains($0.body) })
        else { return nil }
        guard !point.isInDoubt else {
            throw LifeboatError(
                .refused, "a keeper is ending the log that may have point \(record.body.short)",
                subject: ObjectNames.logEntry(point.incarnation, point.sequence).path,
                advice: "send it again when that is done; see: lifeboat session list")
        }
        return point.id
    }

    /// Notes that the repository has a point, and removes what it had here.
    private func finish(
        _ record: SpoolRecord, _ id: Digest, _ byteCount: UInt64
    ) throws(LifeboatError) {
        notes.sent.append(.init(record.number, .init(local: record.body, point: id)))
        try spool.save(notes)
        outcome.sent.append(
            Sent(
                local: record.body, point: id, packs: record.packs.count, byteCount: byteCount))
        events.tell(.note("sent point \(record.body.short) from the spool: it is \(id.short) now"))
        if try spool.records().contains(where: { $0.bases.contains(record.body) }) {
            try spool.keepNodes(of: record)
        }
        try spool.remove(record)
    }

    /// The body with the id that its parent has in the repository; zero if it has none.
    private func resealable(
        _ body: PointBody, _ record: SpoolRecord, _ ledger: Ledger
    ) -> PointBody {
        var body = body
        if let known = sent(body.parent) {
            body.parent = known
        } else if ledger.allPoints[body.parent] == nil {
            body.parent = .zero
        }
        return body
    }

    private func sent(_ local: Digest) -> Digest? {
        notes.sent.first { $0.value.local == local }?.value.point
    }

    // MARK: packs

    /// The packs that the repository does not have, each under a name that may be put.
    private func missingPacks(
        _ record: inout SpoolRecord, _ session: WriteSession, _ inherited: Set<Digest>
    ) throws(LifeboatError) -> [Digest] {
        let ledger = session.opening.ledger
        let taken = Set(session.stored.packs)
        var missing: [Digest] = []
        for pack in record.packs where !taken.contains(pack) && !ledger.trusts(pack) {
            let reference = ObjectReference(.pack, pack)
            let isGivenUp =
                ledger.packs[pack] != nil || ledger.condemned[reference] != nil
                || ledger.doomed.contains(reference)
            let isFree =
                !isGivenUp && (!notes.attempted.contains(pack) || inherited.contains(pack))
            missing.append(isFree ? pack : try rename(pack, &record))
        }
        return missing
    }

    /// Makes a pack anew, with the same frames: a name that a keeper may have found and deleted is
    /// never put again, for the deletion may still come.
    private func rename(
        _ old: Digest, _ record: inout SpoolRecord
    ) throws(LifeboatError) -> Digest {
        let mover = FrameMover(
            repository: repository.reading(through: spool.outbox),
            domain: try repository.requireDomain())
        let new: Digest
        do throws(LifeboatError) {
            let pack = try OpenPack.open(
                old, store: spool.outbox, domains: repository.domains, recovery: nil)
            let bytes = try mover.load(pack)
            var cargo: [FrameMover.Cargo] = []
            for frame in pack.directory.frames.indices {
                cargo.append(try mover.take(.init(pack: pack, frame: frame), outOf: bytes))
            }
            new = try mover.store(cargo).name
        } catch {
            guard error.code == .damaged || error.code == .missing else { throw error }
            throw blocked(record, "in the spool \(error.message)")
        }
        for var other in try spool.records() where other.number >= record.number {
            other.packs = other.packs.map { $0 == old ? new : $0 }
            other.earlierPacks = other.earlierPacks.map { $0 == old ? new : $0 }
            try spool.replace(other)
            if other.number == record.number { record = other }
        }
        try spool.outbox.delete(ObjectNames.pack(old))
        return new
    }

    private func put(
        _ packs: [Digest], _ record: SpoolRecord, _ session: WriteSession
    ) throws(LifeboatError) -> UInt64 {
        let stage = "sending"
        var sum: UInt64 = 0
        events.tell(.started(stage: stage, total: record.byteCount))
        for name in packs {
            try cancellation.check()
            let pack: OpenPack
            let bytes: [UInt8]
            do throws(LifeboatError) {
                pack = try OpenPack.open(
                    name, store: spool.outbox, domains: repository.domains, recovery: nil)
                bytes = try spool.outbox.get(ObjectNames.pack(name), limit: PackLayout.byteLimit)
            } catch {
                guard error.code == .damaged || error.code == .missing else { throw error }
                throw blocked(record, "in the spool \(error.message)")
            }
            guard SHA256Hash.digest(bytes) == name else {
                throw blocked(record, "pack \(name.short) is damaged in the spool")
            }
            try session.store(pack, bytes) { () throws(LifeboatError) in
                if notes.attempted.insert(name).inserted { try spool.save(notes) }
            }
            sum += UInt64(bytes.count)
            events.tell(.progress(stage: stage, done: sum, total: record.byteCount))
        }
        events.tell(.finished(stage: stage))
        return sum
    }

    // MARK: what it relies on

    /// Makes sure that all chunks and nodes that the point relies on are there, and stay.
    private func check(
        _ record: SpoolRecord, _ body: PointBody, _ session: WriteSession, _ index: Index
    ) throws(LifeboatError) {
        let ledger = session.opening.ledger
        guard !isAssured(record, ledger) else { return }
        // Of packs that are still to be put the spool knows what they hold.
        let own = SessionIndex(repository.directories)
        var held: Set<Digest> = []
        for name in record.packs {
            do throws(LifeboatError) {
                let pack = try OpenPack.open(
                    name, store: spool.outbox, domains: repository.domains, recovery: nil)
                try own.add(name, pack.directory)
                held.insert(name)
            } catch {
                guard error.code == .damaged else { throw error }
                throw blocked(record, "in the spool \(error.message)")
            }
        }
        let runs = try own.finish()
        own.leaveFilesOpen()
        let ownIndex = try Index(scanned: runs, trusting: held)
        let near = repository.reading(
            through: NearbyStore([spool.outbox, spool.replica], before: repository.store))
        let all = try Index(runs: index.runs + runs, ledger: ledger, damaged: index.damaged)
        var walk = NodeWalk(
            nodes: try NodeReader(near, index: all, packs: try PackCache(near)),
            cancellation: cancellation)
        for volume in body.volumes {
            var missing: UInt64 = 0
            func look(_ id: Digest) throws(LifeboatError) {
                if try !ownIndex.contains(id), try !index.contains(id) { missing += 1 }
            }
            do throws(LifeboatError) {
                try walk.visit(
                    volume,
                    chunks: { ids throws(LifeboatError) in for id in ids { try look(id) } },
                    node: look)
            } catch {
                guard error.code == .damaged else { throw error }
                missing += 1
            }
            guard missing > 0 else { continue }
            throw blocked(
                record,
                "its base is not in the repository any more, and with it "
                    + "\(missing) parts of volume \(volume.name)")
        }
    }

    /// Whether the session keeps everything that the point relies on, without looking at it.
    ///
    /// A point that counts needs what it took from its base; what was in the spool before lies in
    /// packs that can be relied on.
    private func isAssured(_ record: SpoolRecord, _ ledger: Ledger) -> Bool {
        record.bases.allSatisfy { base in
            guard let point = ledger.allPoints[sent(base) ?? base] else { return false }
            return point.forgotten == nil && !point.isInDoubt
        } && record.earlierPacks.allSatisfy { ledger.trusts($0) }
    }
}
