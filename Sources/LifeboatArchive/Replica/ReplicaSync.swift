public import LifeboatCore
import LifeboatFormat
import LifeboatProtocol
public import LifeboatStore
import LifeboatSystem

/// Brings a replica up to date with its repository.
///
/// Needs no key. Whatever it is interrupted at, the replica is what its newest view says, and the
/// next run goes on. Source: formats/replica.md. Used by one thread, once.
public final class ReplicaSync {
    /// How to do it.
    public struct Options: Sendable {
        /// Copies at the same time; 0 for as many as are useful.
        public var threads = 0
        /// Peak memory to aim at, in bytes.
        public var memory: UInt64 = 256 << 20
        public var isDryRun = false
        /// Whether to ask the replica for every object, also for those that it had in its last view.
        public var asksForAll = false
        /// Whether to go on without objects that the source has lost.
        public var acceptsDamage = false

        public init() {}
    }

    /// What was done, or would be.
    public struct Outcome: Sendable {
        /// The view that stands now; 0 for none.
        public var view: UInt64 = 0
        public var points = 0
        public var absentPoints = 0
        public var packsCopied = 0
        /// Bytes of objects that were copied.
        public var bytesCopied: UInt64 = 0
        public var objectsCopied = 0
        public var entriesCopied = 0
        public var deletedObjects = 0
        public var deletedBytes: UInt64 = 0
        /// Whether the replica has all that the source had when it was read.
        public var isComplete = false
        /// What the source has lost: it is not copied.
        public var damaged: [LifeboatError] = []
        public var notes: [String] = []
    }

    var source: Repository
    let target: any ObjectStore
    let record: ReplicaRecord
    /// What this host keeps about the replica.
    let local: LocalDirectories
    /// The spool whose replica it is, which takes only what a backup must read; `nil` for others.
    let spool: Spool?
    let options: Options
    let events: any EventSink
    let cancellation: Cancellation
    var outcome = Outcome()
    /// What was not at the source when it was wanted: once may be a keeper's doing.
    var missedBefore: Set<ObjectName> = []

    /// How often the source may change under the copying before it is given up.
    private static let attempts = 64

    /// - `source`: the repository, opened with or without a secret; a replica that takes only some
    ///   of the points wants one.
    public init(
        _ source: Repository, to target: any ObjectStore, _ record: ReplicaRecord,
        options: Options, events: any EventSink, cancellation: Cancellation
    ) throws(LifeboatError) {
        self.source = source
        self.target = target
        self.record = record
        self.options = options
        self.events = events
        self.cancellation = cancellation
        spool = nil
        local = try source.directories.ofReplica(record.name)
    }

    /// For the replica of a spool, whose lock is held.
    init(
        _ source: Repository, _ spool: Spool, options: Options, events: any EventSink,
        cancellation: Cancellation
    ) throws(LifeboatError) {
        self.source = source
        self.spool = spool
        target = spool.replica
        local = try source.directories.ofSpool(spool.path)
        record =
            try ReplicaRecord.all(local).first
            ?? ReplicaRecord(
                name: "spool", location: target.location, rootKey: source.configuration.rootKey)
        self.options = options
        self.events = events
        self.cancellation = cancellation
    }

    /// Copies what is missing, shows it, and deletes what the source has deleted.
    ///
    /// - Throws: `.refused` when the source is not the repository that the replica is of, or is
    ///   older than the replica; `.damaged` when its logs are.
    public func run() throws(LifeboatError) -> Outcome {
        for _ in 0..<Self.attempts {
            try cancellation.check()
            if try attempt() { return outcome }
        }
        throw LifeboatError(
            .unavailable, "the repository changes faster than it can be copied",
            subject: source.store.location, advice: "run it again; what was copied stays")
    }

    /// One attempt; false when source or replica changed in a way that it must begin anew.
    private func attempt() throws(LifeboatError) -> Bool {
        source = try source.refreshed()
        guard source.configurations.hasRoot(record.rootKey) else {
            throw LifeboatError(
                .refused,
                "the source is not signed by the root key that replica "
                    + "\(record.name) was added with",
                subject: source.store.location,
                advice: "somebody exchanged the repository; nothing was copied")
        }
        if !options.isDryRun { try source.beginReplica(at: target) }
        // In this order: what a view or the listing shows was named at the source before.
        let sight = try ReplicaSight(target)
        let number: UInt64
        if let view = sight.view {
            number = view.number
        } else {
            number = try ReplicaSight.newestNumber(target)
        }
        var known = try known(sight)
        outcome.view = number
        outcome.points = known.points
        var (log, late) = try readSource(sight)
        if !options.isDryRun {
            try copyChains(&known)
            try copySlots()
        }
        if isUpToDate(log, sight, known) {
            outcome.isComplete = true
            return true
        }
        let listed = options.isDryRun ? [] : try list()
        if !listed.isEmpty {
            (log, late) = try readSource(sight)
            // Members may be new by now.
            try copyChains(&known)
        }
        var plan = try plan(log, late, known)
        try findMissing(&plan)
        if options.isDryRun {
            try weigh(plan)
            return true
        }
        guard try copyObjects(plan, known) else { return false }
        guard outcome.damaged.isEmpty || options.acceptsDamage else { return true }
        guard try copyLogs(log, known) else { return false }
        guard try show(log, plan, sight, number) else { return false }
        outcome.points = log.ledger.points.count - plan.absentPoints.count
        outcome.absentPoints = plan.absentPoints.count
        try sweep(log, plan, listed)
        try remember(log)
        outcome.isComplete = outcome.damaged.isEmpty
        return true
    }

    /// Whether the replica shows all that there is, and the run that brought it there also deleted
    /// what it had to.
    private func isUpToDate(_ log: LogView, _ sight: ReplicaSight, _ known: Known) -> Bool {
        guard let view = sight.view, view.number > 0, known.isSound, !options.asksForAll,
            spool == nil
        else {
            return false
        }
        return record.view == view.number && view.heads == log.ledger.heads && !view.isPartial
            && !record.isPartial && known.marked.isEmpty
    }

    /// How often the logs are read for two readings in a row to be the same.
    private static let readings = 6
    /// How often they are read for a reading to which nothing seems to be missing.
    private static let readingLimit = 64

    /// The source's logs as they stood at one moment, and points that came too late to be sure.
    ///
    /// A reading takes time: an entry that it found may rely on one that it came too early for. Two
    /// readings in a row with the same ends show one moment. Where there is no such moment, the
    /// second has all that points of the first rely on.
    private func readSource(
        _ sight: ReplicaSight
    ) throws(LifeboatError) -> (log: LogView, late: Set<Digest>) {
        let further = sight.view?.heads ?? []
        var log = try source.readLog(comparing: further)
        var late: Set<Digest> = []
        var isSame = false
        for round in 0..<Self.readingLimit where !isSame {
            if round >= Self.readings, log.problems.isEmpty { break }
            try cancellation.check()
            let next = try source.readLog(comparing: further)
            isSame = next.heads == log.heads && next.ledger.base == log.ledger.base
            late = Set(next.ledger.points.map(\.id)).subtracting(log.ledger.points.map(\.id))
            log = next
        }
        // What seems to be missing may only have come too late.
        guard isSame || log.problems.isEmpty else {
            throw LifeboatError(
                .unavailable, "the repository changes faster than it can be read",
                subject: source.store.location, advice: "run it again")
        }
        source = try source.refreshed()
        try refuseDoubtful(log)
        return (log, late)
    }

    /// What is damaged or set back must not reach the replica.
    private func refuseDoubtful(_ log: LogView) throws(LifeboatError) {
        if log.view?.isPartial == true {
            throw LifeboatError(
                .refused, "a replica that has only some of the points is no source for another",
                subject: source.store.location)
        }
        if let problem = log.problems.first {
            throw LifeboatError(
                .damaged, "the source's logs are not whole: \(problem.message)",
                subject: problem.subject,
                advice: "nothing was copied; repair the source with: lifeboat verify --repair")
        }
        for (kind, name) in [
            ("configuration", ObjectNames.configuration(source.configuration.number + 1)),
            ("roster", ObjectNames.roster(source.roster.number + 1)),
        ] {
            // It may have been made a moment ago, and copied by another host.
            guard try target.size(name) != nil, try source.store.size(name) == nil else {
                continue
            }
            throw LifeboatError(
                .refused, "the source was set back: its replica has a newer \(kind)",
                subject: name.path, advice: "bring the source's newer state back first")
        }
    }

    // MARK: planning

    /// What the replica is known to have, for its newest view says so.
    struct Known {
        var objects: Set<ObjectReference> = []
        /// Entries by log.
        var entries: [Identifier: Set<Digest>] = [:]
        var base: LogEntry.CheckpointName?
        var configuration: UInt64 = 0
        var roster: UInt64 = 0
        var points = 0
        /// Packs that the replica is marked to have damaged, or not to have.
        var marked: Set<Digest> = []
        /// Whether the replica could be read.
        var isSound = false
    }

    /// What there is to copy.
    struct Plan {
        var objects: [ObjectReference] = []
        var absentPoints: [Digest] = []
        var absentPacks: [Digest] = []
    }

    private func known(_ sight: ReplicaSight) throws(LifeboatError) -> Known {
        var known = Known()
        guard let view = sight.view, view.number > 0, !options.asksForAll, !record.isIncomplete
        else { return known }
        let log: LogView
        do throws(LifeboatError) {
            let replica = try Repository.open(target, secret: nil, recovery: nil) {
                [local] _ throws(LifeboatError) in local
            }
            log = try replica.readLog()
            guard replica.id == source.id, log.view?.number == view.number, log.problems.isEmpty,
                source.configurations.digest(replica.configuration.number)
                    == replica.configurations.currentDigest
            else {
                outcome.notes.append("the replica is not what it was: every object is asked for")
                return known
            }
            known.marked = try Index.damagedPacks(replica)
            known.configuration = replica.configuration.number
            known.roster = replica.roster.number
        } catch {
            guard error.code == .damaged || error.code == .refused || error.code == .noRepository
            else { throw error }
            outcome.notes.append("\(error.description): every object of the replica is asked for")
            return known
        }
        known.isSound = true
        known.points = log.ledger.points.count
        known.objects = Self.needed(log.ledger)
        known.objects.subtract(known.marked.map { ObjectReference(.pack, $0) })
        known.base = log.ledger.base
        for (incarnation, list) in log.recent { known.entries[incarnation] = Set(list.map(\.id)) }
        return known
    }

    /// Everything that a reader of these logs may want.
    static func needed(_ ledger: Ledger) -> Set<ObjectReference> {
        var objects = Set(ledger.packs.keys.map { ObjectReference(.pack, $0) })
        objects.formUnion(ledger.runs.keys.map { ObjectReference(.indexRun, $0) })
        objects.formUnion(ledger.points.map { ObjectReference(.pointBody, $0.body) })
        return objects
    }

    private func plan(
        _ log: LogView, _ late: Set<Digest>, _ known: Known
    ) throws(LifeboatError) -> Plan {
        var plan = Plan()
        plan.absentPoints = Array(late)
        var ledger = log.ledger
        if let spool {
            let selection = try SpoolSelection(source, log, spool, cancellation: cancellation)
            plan.absentPoints = Array(late.union(selection.absentPoints))
            plan.absentPacks = selection.absentPacks
        } else if record.isPartial {
            let selection = try ReplicaSelection(
                source, log, record, events: events, cancellation: cancellation)
            plan.absentPoints = Array(late.union(selection.absentPoints))
            plan.absentPacks = selection.absentPacks
        }
        ledger.leaveOut(points: plan.absentPoints, packs: plan.absentPacks)
        // Bodies and runs last: small, and of no use without packs.
        plan.objects = Self.needed(ledger).subtracting(known.objects)
            // A spool makes its index of the packs that it has.
            .filter { spool == nil || $0.kind != .indexRun }.sorted()
        return plan
    }

    /// Takes from the plan what the replica has already, by asking for each name.
    private func findMissing(_ plan: inout Plan) throws(LifeboatError) {
        let objects = plan.objects
        let stage = "asking the replica"
        events.tell(.started(stage: stage, total: nil))
        let missing = try inParallel(objects) {
            [source, target] reference
                throws(LifeboatError) -> ObjectReference? in
            let name = ObjectNames.object(reference)
            guard let size = try target.size(name) else { return reference }
            // A store without atomic puts may have kept a part; what the source has lost can stay.
            guard let expected = try source.store.size(name), expected != size else { return nil }
            return reference
        }
        events.tell(.finished(stage: stage))
        plan.objects = missing.compactMap { $0 }
    }

    /// Counts what a run would copy.
    private func weigh(_ plan: Plan) throws(LifeboatError) {
        outcome.packsCopied = plan.objects.count { $0.kind == .pack }
        outcome.objectsCopied = plan.objects.count
        let sizes = try inParallel(plan.objects) { [source] reference throws(LifeboatError) in
            try source.store.size(ObjectNames.object(reference)) ?? 0
        }
        outcome.bytesCopied = sizes.reduce(0, +)
    }

    // MARK: threads

    /// As many copies at once as the memory allows: each has a whole object in memory.
    var threadCount: Int {
        let affordable = Int(clamping: options.memory / UInt64(PackLayout.byteLimit))
        return max(1, min(options.threads > 0 ? options.threads : 4, affordable))
    }

    /// Does something for each element on several threads; the results in order.
    ///
    /// - Throws: the first failure, after all threads have ended.
    func inParallel<Element: Sendable, Result: Sendable>(
        _ elements: [Element],
        _ body: @escaping @Sendable (Element) throws(LifeboatError) -> Result
    ) throws(LifeboatError) -> [Result] {
        let state = Guarded<(next: Int, results: [Int: Result], failure: LifeboatError?)>(
            (0, [:], nil))
        let cancellation = cancellation
        Threads.run(count: min(threadCount, elements.count), name: "replica") { _ in
            while !cancellation.isCancelled {
                let number = state.withLock { state in
                    defer { state.next += 1 }
                    return state.failure == nil ? state.next : elements.count
                }
                guard number < elements.count else { return }
                do throws(LifeboatError) {
                    let result = try body(elements[number])
                    state.withLock { $0.results[number] = result }
                } catch {
                    state.withLock { $0.failure = $0.failure ?? error }
                }
            }
        }
        try cancellation.check()
        let end = state.withLock { $0 }
        if let failure = end.failure { throw failure }
        return elements.indices.compactMap { end.results[$0] }
    }
}
