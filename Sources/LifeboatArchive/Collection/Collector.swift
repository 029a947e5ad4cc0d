import LifeboatCodec
public import LifeboatCore
public import LifeboatFormat
public import LifeboatProtocol
import LifeboatStore
import LifeboatSystem

/// A keeper at work: does for one step of collection what its state machine asks for.
///
/// Used by one thread, once.
public final class Collector {
    /// What a step found and did.
    public struct Outcome: Sendable {
        public var condemned: [ObjectReference] = []
        public var released: [ObjectReference] = []
        public var deleted: [ObjectReference] = []
        public var waitsFor: [(incarnation: Identifier, id: Identifier, session: Ledger.Session)] =
            []
        /// By object, its size in bytes, as far as the store's listing tells.
        public var sizes: [ObjectReference: UInt64] = [:]
        public var packs = 0
        public var bytesStored: UInt64 = 0
        public var bytesLive: UInt64 = 0
        public var bytesHeld: UInt64 = 0
        public var repackedPacks = 0
        public var repackedBytes: UInt64 = 0
        public var mergedRuns = 0
        public var nodesVisited: UInt64 = 0
        public var deletedLogEntries = 0
        /// What was to be deleted and is locked in the store, and until when at most.
        public var lockedObjects = 0
        public var lockedBytes: UInt64 = 0
        public var lockedUntil: UInt64?
        public var checkpoint: UInt64?
        public var notes: [String] = []
    }

    var repository: Repository
    let keys: WriterKeys
    private let maximumUnused: Int
    let events: any EventSink
    let cancellation: Cancellation
    var outcome = Outcome()
    var liveness: Liveness?
    var livenessRuns: Set<Digest> = []
    private var markedRoots: Set<Digest> = []
    var index: Index?
    var usage: [Digest: Marker.Usage] = [:]
    var survival: Survival?
    private let proofs: PackProofs
    /// By domain, what was stored anew.
    var entries: [Identifier: SessionIndex] = [:]

    /// - `maximumUnused`: percent of stored bytes that may be dead space.
    public init(
        _ repository: Repository, maximumUnused: Int, events: any EventSink,
        cancellation: Cancellation
    ) throws(LifeboatError) {
        self.repository = repository
        keys = try repository.requireKeeper()
        self.maximumUnused = maximumUnused
        proofs = PackProofs(repository)
        self.events = events
        self.cancellation = cancellation
        for domain in repository.domains.keys {
            entries[domain] = SessionIndex(repository.directories)
        }
    }

    /// Does one step.
    ///
    /// - Throws: `.refused` when another host writes to this keeper's log or the repository was
    ///   set back, `.damaged` when logs or block maps are: nothing is deleted then.
    public func run() throws(LifeboatError) -> Outcome {
        let driver = LogDriver(repository, keys)
        let lock = try driver.lock()
        defer { lock.unlock() }
        var step = CollectionProtocol(
            writing: try driver.writing(), time: Clock.milliseconds(), tidies: true)
        while let action = step.action {
            try cancellation.check()
            step.take(try perform(action, step, driver))
        }
        switch step.verdict {
        case .done, nil: break
        case .void: throw LogDriver.displaced
        case .suspended:
            throw LifeboatError(
                .refused, "a keeper has been suspended, and it is not known yet where its log ends",
                subject: repository.store.location,
                advice: "finish it with: lifeboat key revoke; until then nothing is deleted")
        case .refused(let refusal): throw LogDriver.error(refusal)
        case .damaged(let gaps):
            let gap = gaps[0]
            throw LifeboatError(
                .damaged,
                "\(gaps.count) log entries are missing or damaged, and what they need is not known",
                subject: ObjectNames.logEntry(gap.incarnation, gap.sequence).path,
                advice:
                    "nothing was deleted; take them from another copy of the repository, or give "
                    + "up what stands behind: lifeboat session fence \(gap.incarnation)")
        }
        outcome.condemned = step.newlyCondemned
        outcome.released = step.released
        outcome.waitsFor = step.waitsFor
        noteSessionsThatHoldForgottenPoints(step.ledger)
        // What was counted before it was deleted.
        for reference in outcome.deleted
        where reference.kind == .pack && step.ledger.packs[reference.digest] != nil {
            outcome.packs -= 1
            outcome.bytesStored -= min(outcome.bytesStored, outcome.sizes[reference] ?? 0)
        }
        return outcome
    }

    private func noteSessionsThatHoldForgottenPoints(_ ledger: Ledger) {
        for mark in Set(ledger.allPoints.values.compactMap(\.forgotten)) {
            for session in ledger.sessions(ignorantOf: mark)
            where !outcome.waitsFor.contains(where: { $0.id == session.id }) {
                outcome.waitsFor.append(session)
            }
        }
    }

    /// What a step would find, without doing anything.
    public func look() throws(LifeboatError) -> Outcome {
        let log = try repository.readLog()
        if let problem = log.problems.first { throw problem }
        let listed = try list()
        let marking = try mark(log.ledger, log.ledger.roots(), emptied: [])
        let own = Set(log.ledger.condemned.keys)
        var candidates = Set(log.ledger.packs.keys.map { ObjectReference(.pack, $0) })
        candidates.formUnion(listed.filter { $0.kind == .pack })
        outcome.condemned = candidates.filter {
            !marking.kept.contains($0.digest) && !own.contains($0)
        }.sorted()
        note(log.ledger, marking.kept)
        let chosen = PackTidier.choose(tidiable(marking.kept), maximumUnused: maximumUnused)
        outcome.repackedPacks = chosen.count
        outcome.repackedBytes = chosen.reduce(0) { $0 + $1.byteCount }
        return outcome
    }

    private func perform(
        _ action: CollectionProtocol.Action, _ step: CollectionProtocol, _ driver: LogDriver
    ) throws(LifeboatError) -> CollectionProtocol.Reply {
        switch action {
        case .log(let action):
            return .log(try driver.perform(action, roster: step.writing.roster))
        case .list: return .listed(try list())
        case .mark(let round):
            let marking = try mark(
                step.ledger, round.roots, emptied: round.emptied)
            note(step.ledger, marking.kept)
            return .marked(marking)
        case .tidy: return .tidied(try tidy(step.ledger))
        case .readRoster:
            repository = try repository.withFreshRoster()
            return .roster(repository.roster)
        case .delete(let references): return .deleted(try delete(references))
        case .storeCheckpoint(let checkpoint):
            let bytes = Repository.signed(.checkpoint, checkpoint.payload, by: keys.signing)
            let name = LogEntry.CheckpointName(
                ordinal: checkpoint.ordinal, digest: SHA256Hash.digest(bytes))
            try repository.store.put(ObjectNames.checkpoint(name), bytes: bytes)
            return .storedCheckpoint(name)
        case .truncate(let name, let checkpoint):
            try truncate(name, checkpoint)
            return .truncated
        }
    }

    // MARK: looking

    private func list() throws(LifeboatError) -> [ObjectReference] {
        var result: [ObjectReference] = []
        let prefixes: [(String, ObjectReference.Kind)] = [
            (ObjectNames.packsPrefix, .pack), (ObjectNames.indexPrefix, .indexRun),
            (ObjectNames.pointsPrefix, .pointBody),
        ]
        for (prefix, kind) in prefixes {
            try repository.store.list(prefix) { name, size throws(LifeboatError) in
                guard let digest = ObjectNames.digest(name) else { return }
                let reference = ObjectReference(kind, digest)
                outcome.sizes[reference] = size
                result.append(reference)
            }
        }
        return result
    }

    private func mark(
        _ ledger: Ledger, _ roots: [Ledger.Point], emptied: [Digest]
    ) throws(LifeboatError) -> CollectionProtocol.Marking {
        let index = try openIndex(ledger)
        let sparse = Set(ledger.sparse.values.flatMap { $0 })
        let survival = Survival(
            ledger, keeper: try incarnation(ledger),
            emptied: Set(emptied), avoided: index.damaged, sparse: sparse,
            isProven: { [proofs] in proofs.isProven($0) })
        self.survival = survival
        let marker = Marker(
            repository: repository, index: index, events: events, cancellation: cancellation)
        let wanted = Set(roots.map(\.id))
        let runs = Set(index.runs.map(\.name))
        if liveness == nil || runs != livenessRuns || !wanted.isSuperset(of: markedRoots) {
            let isScanned = isIndexLost
            liveness = try Liveness(
                index.runs, believing: { isScanned || ledger.vouches(run: $0, for: $1) },
                directory: repository.directories.collections + "/" + Identifier.random().hex)
            livenessRuns = runs
            markedRoots = []
        }
        guard let liveness else { return .init(kept: []) }
        outcome.nodesVisited += try marker.mark(
            roots.filter { !markedRoots.contains($0.id) }, liveness)
        markedRoots = wanted
        let chosen = try marker.choose(survival, liveness)
        usage = [:]
        for (number, pack) in liveness.packs.enumerated() { usage[pack] = chosen.usage[number] }
        return .init(kept: chosen.kept.union(try packsOfForeignDomains(ledger)))
    }

    /// The keeper's own log, for telling its condemnations from others'.
    private func incarnation(_ ledger: Ledger) throws(LifeboatError) -> Identifier {
        let memory = try HostMemoryFile.load(repository.directories, member: keys.writer)
        return Incarnation.id(of: keys.writer, number: memory.number)
    }

    /// The index; made anew from the packs where the stored one cannot be read.
    private func openIndex(_ ledger: Ledger) throws(LifeboatError) -> Index {
        let runs = Set(ledger.runs.keys)
        if let index, runs == indexRuns { return index }
        do throws(LifeboatError) {
            index = try Index.open(repository, ledger: ledger)
        } catch {
            guard error.code == .damaged else { throw error }
            outcome.notes.append("\(error.description); the packs were read instead")
            let scan = try IndexScan.run(
                repository, log: try repository.readLog(), events: events,
                cancellation: cancellation)
            if let problem = scan.problems.first { throw problem }
            index = scan.index
            isIndexLost = true
        }
        indexRuns = runs
        guard let index else { throw LifeboatError(.internalFault, "there is no index") }
        return index
    }

    var indexRuns: Set<Digest> = []
    var isIndexLost = false

    /// What this keeper cannot look into stays.
    private func packsOfForeignDomains(_ ledger: Ledger) throws(LifeboatError) -> Set<Digest> {
        guard repository.configuration.domains.count > repository.domains.count else { return [] }
        var result: Set<Digest> = []
        let all = Set(ledger.packs.keys).union(
            outcome.sizes.keys.filter { $0.kind == .pack }.map(\.digest))
        for pack in all where usage[pack] == nil {
            var head = [UInt8](repeating: 0, count: PackLayout.headerByteCount)
            let got = try? head.withMutableBytes { raw throws(LifeboatError) in
                try repository.store.read(ObjectNames.pack(pack), at: 0, into: raw)
            }
            guard got == head.count, let header = try? PackHeader(decoding: head, subject: ""),
                repository.domains[header.domain] != nil
            else {
                result.insert(pack)
                continue
            }
        }
        return result
    }

    private func note(_ ledger: Ledger, _ kept: Set<Digest>) {
        outcome.packs = ledger.packs.count
        outcome.bytesStored = 0
        outcome.bytesLive = 0
        for pack in ledger.packs.keys {
            let size = outcome.sizes[ObjectReference(.pack, pack)] ?? 0
            outcome.bytesStored += size
            guard kept.contains(pack), let usage = usage[pack], usage.entries > 0 else { continue }
            outcome.bytesLive += UInt64(
                Double(size) * Double(usage.needed) / Double(usage.entries))
        }
    }

    // MARK: tidying

    private func tidiable(_ kept: Set<Digest>) -> [PackTidier.Candidate] {
        kept.compactMap { pack in
            guard let usage = usage[pack],
                let size = outcome.sizes[ObjectReference(.pack, pack)]
            else { return nil }
            return PackTidier.Candidate(name: pack, byteCount: size, usage: usage)
        }.sorted { $0.name < $1.name }
    }

    private func tidier() -> PackTidier? {
        guard let liveness, let survival else { return nil }
        return PackTidier(
            repository, liveness: liveness, entries: entries,
            isNeeded: { id, pack in
                guard liveness.isMarked(id) else { return false }
                let copies = Set(liveness.copies(id).map { liveness.packs[Int($0)] }).sorted()
                return survival.kept(of: copies).contains(pack)
            }, events: events, cancellation: cancellation)
    }

    private func tidy(_ ledger: Ledger) throws(LifeboatError) -> CollectionProtocol.Tidying {
        var tidying = CollectionProtocol.Tidying()
        guard let tidier = tidier() else { return tidying }
        let condemned = Set(ledger.condemned.keys.map(\.digest))
        let kept = Set(usage.filter { $0.value.needed > 0 }.keys).subtracting(condemned)
            .filter { ledger.packs[$0] != nil }
        try tidier.tidy(tidiable(kept), maximumUnused: maximumUnused)
        for fault in tidier.faults { outcome.notes.append(fault.description) }
        tidying.packs = tidier.added
        for (pack, size) in tidier.sizes { outcome.sizes[ObjectReference(.pack, pack)] = size }
        tidying.emptied = tidier.emptied
        let sparse = tidier.sparse.sorted()
        if sparse != ledger.sparse[try incarnation(ledger)] ?? [] { tidying.sparse = sparse }
        outcome.repackedPacks = tidier.emptied.count
        outcome.repackedBytes = tidier.storedBytes
        outcome.bytesHeld = tidier.heldBytes
        try tidyRuns(ledger, &tidying)
        return tidying
    }
}
