import LifeboatProtocol
import LifeboatArchive
import LifeboatCodec
public import LifeboatCore
import LifeboatFormat
import LifeboatStore
import LifeboatSystem

extension Operations {
    /// Looks for damage, as deeply as asked for and as the keys at hand allow.
    ///
    /// Finding damage is no error of the verification: it is in the result. Damaged packs are set
    /// aside where the store allows it.
    public func verify(
        _ options: VerificationOptions
    ) throws(LifeboatError) -> VerificationResult {
        let start = Clock.monotonicSeconds()
        let repository = try openRepository()
        let run = VerificationRun(
            repository, options: options, events: events, cancellation: cancellation)
        if options.repairs { run.repair = try repairing(repository, options) }
        var result = try run.run()
        result.durationSeconds = Clock.monotonicSeconds() - start
        return result
    }
}

/// One verification.
final class VerificationRun {
    let repository: Repository
    let options: VerificationOptions
    let events: any EventSink
    let cancellation: Cancellation
    let threads: Int
    var result: VerificationResult
    /// Packs found damaged or missing.
    private var damaged: Set<Digest> = []
    /// What puts back objects; `nil` when that is not wanted.
    var repair: ObjectRepair?

    init(
        _ repository: Repository, options: VerificationOptions, events: any EventSink,
        cancellation: Cancellation
    ) {
        self.repository = repository
        self.options = options
        self.events = events
        self.cancellation = cancellation
        threads = Operations.threads(options.threads, memory: options.memory)
        result = VerificationResult(
            depth: "structure", points: 0, packs: 0, bytesRead: 0, chunksChecked: 0, problems: [],
            isRecorded: false, durationSeconds: 0, notes: [])
    }

    private func add(_ error: LifeboatError, isSetAside: Bool = false) {
        if putsBack(error) { return }
        result.problems.append(
            VerificationProblem(
                object: error.subject ?? "repository", message: error.description, affected: [],
                isSetAside: isSetAside))
    }

    func run() throws(LifeboatError) -> VerificationResult {
        let log = try readLog()
        let heads = log.heads
        for problem in log.problems { add(problem) }
        result.points = log.ledger.points.count
        for problem in try repository.checkSmallObjects() { add(problem) }
        try checkRuns(log)
        let packs = log.packs
        let known = try knownDamaged(packs)
        // What a point's map needs is looked for after its body.
        if repair != nil, options.depth.readsMaps { try checkBodies(log) }
        var percent = 0
        var depth = CheckRecord.Depth.structure
        switch options.depth {
        case .keyless:
            depth = .keyless
            percent = 100
            try checkBodies(log)
            try checkPacks(packs.subtracting(known), readsData: true, opens: false)
        case .structure:
            try checkPacks(packs.subtracting(known), readsData: false, opens: true)
            try checkMaps(log)
        case .data:
            depth = .data
            percent = 100
            try checkPacks(packs.subtracting(known), readsData: true, opens: true)
            try checkMaps(log)
            noteSealed()
        case .sample(let wanted):
            depth = .sample
            percent = wanted
            let all = packs.subtracting(known)
            let chosen = sample(all.sorted(), percent: wanted)
            try checkPacks(chosen, readsData: true, opens: true)
            try checkPacks(all.subtracting(chosen), readsData: false, opens: true)
            try checkMaps(log)
            noteSealed()
        }
        try noteMeddled()
        result.depth = depth.name
        try tellLost(log, known)
        do throws(LifeboatError) {
            try repository.record(
                depth: depth, percent: percent, problems: result.problems.count, heads: heads)
            result.isRecorded = true
        } catch {
            result.notes.append("the verification could not be recorded: \(error.description)")
        }
        return result
    }

    /// What somebody hid is read all the same, and is worth knowing.
    private func noteMeddled() throws(LifeboatError) {
        guard let locking = repository.store.locking, try locking.locksObjects() else { return }
        var count = 0
        try locking.listMeddled("") { _ throws(LifeboatError) in count += 1 }
        if count > 0 {
            result.notes.append(
                "somebody deleted or overwrote \(count) objects in the store; what was stored "
                    + "first was verified: see lock status")
        }
    }

    private func noteSealed() {
        guard repository.recovery == nil else { return }
        result.notes.append(
            "data frames were checked by the hashes of their packs only; "
                + "opening them needs --recovery-key-file")
    }

    private func sample(_ packs: [Digest], percent: Int) -> Set<Digest> {
        var generator = SampleGenerator(seed: options.seed ?? UInt64.random(in: 0...UInt64.max))
        var pool = packs
        let count = min(pool.count, (pool.count * percent + 99) / 100)
        for index in 0..<count {
            let other = index + Int(generator.next() % UInt64(pool.count - index))
            pool.swapAt(index, other)
        }
        return Set(pool.prefix(count))
    }

    // MARK: small objects

    private func checkBodies(_ log: LogView) throws(LifeboatError) {
        for point in log.ledger.points {
            let name = ObjectNames.pointBody(point.body)
            do throws(LifeboatError) {
                try repository.store.get(name, limit: Envelope.byteLimit) {
                    bytes throws(LifeboatError) in
                    guard SHA256Hash.digest(bytes) == point.body else {
                        throw LifeboatError(
                            .damaged, "the body of point \(point.id.short) is not what was signed",
                            subject: name.path)
                    }
                }
            } catch {
                switch error.code {
                case .missing:
                    add(
                        LifeboatError(
                            .damaged, "the body of point \(point.id.short) is missing",
                            subject: name.path))
                case .damaged: add(error)
                default: throw error
                }
            }
        }
    }

    private func checkRuns(_ log: LogView) throws(LifeboatError) {
        for problem in try repository.checkIndexRuns(log) { add(problem) }
    }

    // MARK: packs

    /// Checks packs on all threads.
    private func checkPacks(
        _ packs: Set<Digest>, readsData: Bool, opens: Bool
    ) throws(LifeboatError) {
        let names = packs.sorted()
        let stage = readsData ? "reading packs" : "looking at packs"
        events.tell(.started(stage: stage, total: nil))
        let state = Guarded(ScrubState())
        let (repository, events, cancellation) = (repository, events, cancellation)
        Threads.run(count: max(1, min(threads, names.count)), name: "verify") { _ in
            let scrub = PackScrub(repository)
            while !cancellation.isCancelled {
                let number = state.withLock { state in
                    defer { state.next += 1 }
                    return state.next
                }
                guard number < names.count, state.withLock({ $0.failure == nil }) else { return }
                let name = names[number]
                do throws(LifeboatError) {
                    let counted = try Self.checkAgain(
                        name, scrub, repository, readsData: readsData, opens: opens)
                    let done = state.withLock { state in
                        state.bytes += counted.bytes
                        state.slots += counted.slots
                        return state.bytes
                    }
                    events.tell(.progress(stage: stage, done: done, total: nil))
                } catch {
                    state.withLock { state in
                        if error.code == .damaged {
                            state.damaged.append((name, error))
                        } else {
                            state.failure = state.failure ?? error
                        }
                    }
                }
            }
        }
        try cancellation.check()
        let end = state.withLock { $0 }
        if let failure = end.failure { throw failure }
        events.tell(.finished(stage: stage))
        result.packs += UInt64(names.count)
        result.bytesRead += end.bytes
        result.chunksChecked += end.slots
        // What a keeper has deleted meanwhile is not missing.
        let counted = end.damaged.isEmpty ? [] : try repository.readLog().packs
        for (name, fault) in end.damaged.sorted(by: { $0.0 < $1.0 }) where counted.contains(name) {
            if putsBack(fault) { continue }
            damaged.insert(name)
            var isSetAside = false
            do throws(LifeboatError) {
                try PackScrub.setAside(name, in: repository)
                isSetAside = true
            } catch {
                result.notes.append("\(name.short) could not be set aside: \(error.description)")
            }
            add(fault, isSetAside: isSetAside)
        }
    }

    private struct ScrubState: Sendable {
        var next = 0
        var bytes: UInt64 = 0
        var slots: UInt64 = 0
        var damaged: [(Digest, LifeboatError)] = []
        var failure: LifeboatError?
    }

    /// Behind a network a pack counts as damaged when three readings say so.
    private static func checkAgain(
        _ name: Digest, _ scrub: PackScrub, _ repository: Repository, readsData: Bool, opens: Bool
    ) throws(LifeboatError) -> (bytes: UInt64, slots: UInt64) {
        let object = ObjectNames.pack(name)
        return try repository.store.rereading(object) { () throws(LifeboatError) in
            try repository.store.rereading(object) { () throws(LifeboatError) in
                try check(name, scrub, repository, readsData: readsData, opens: opens)
            }
        }
    }

    private static func check(
        _ name: Digest, _ scrub: PackScrub, _ repository: Repository, readsData: Bool, opens: Bool
    ) throws(LifeboatError) -> (bytes: UInt64, slots: UInt64) {
        let bytes = readsData ? try scrub.checkBytes(name) : 0
        guard opens, repository.domain != nil else { return (bytes, 0) }
        let pack: OpenPack
        do throws(LifeboatError) {
            pack = try OpenPack.open(
                name, store: repository.store, domains: repository.domains,
                recovery: repository.recovery, foreignDomains: repository.foreignDomains)
        } catch {
            guard error.code == .wrongKey else { throw error }
            return (bytes, 0)
        }
        guard !pack.isSetAside else {
            throw LifeboatError(
                .damaged, "the pack is missing", subject: ObjectNames.pack(name).path)
        }
        return (bytes, readsData ? try scrub.checkFrames(pack) : 0)
    }

    // MARK: maps

    /// Checks that every node and every chunk of every point is in a pack.
    private func checkMaps(_ log: LogView) throws(LifeboatError) {
        let catalog = try PointCatalog(repository, log: log)
        for problem in catalog.problems { add(problem) }
        let index: Index
        do throws(LifeboatError) {
            index = try Index.open(repository, ledger: log.ledger, refreshes: true)
        } catch {
            guard error.code == .damaged else { throw error }
            add(error)
            return
        }
        let packs = try PackCache(repository)
        let nodes = try NodeReader(repository, index: index, packs: packs)
        // What only a damaged pack holds must be stored again, even where it can be read there.
        let locator = Locator(index: index, packs: packs, readsDamaged: false)
        let stage = "checking block maps"
        events.tell(.started(stage: stage, total: nil))
        var checked: UInt64 = 0
        // Each point is compared with the one before of the same volume, so that what they share
        // is looked at once.
        var last: [String: BlockMapRoot] = [:]
        for point in catalog.points {
            for volume in point.body.volumes {
                let key = point.body.machine + "\u{0}" + volume.name
                let root = BlockMapRoot(id: volume.root, levels: volume.levels)
                var missing: LifeboatError?
                do throws(LifeboatError) {
                    try BlockMapWalk(nodes).difference(last[key] ?? .zero, root) {
                        _, _, id throws(LifeboatError) in
                        guard !id.isZero else { return }
                        checked += 1
                        if checked.isMultiple(of: 4096) {
                            try cancellation.check()
                            events.tell(.progress(stage: stage, done: checked, total: nil))
                        }
                        do throws(LifeboatError) {
                            _ = try locator.find(id)
                        } catch {
                            guard error.code == .damaged else { throw error }
                            if missing == nil { missing = error }
                        }
                    }
                } catch {
                    guard error.code == .damaged else { throw error }
                    missing = error
                }
                last[key] = root
                if let missing {
                    add(
                        LifeboatError(
                            .damaged,
                            "volume \(volume.name) of point \(point.id.short) (\(point.body.machine)) "
                                + "cannot be restored whole: \(missing.message)",
                            subject: missing.subject))
                }
            }
        }
        events.tell(.finished(stage: stage))
        if result.chunksChecked == 0 { result.chunksChecked = checked }
    }

    /// Says which points and volumes the damaged packs concern, and how much of them.
    private func tellLost(_ log: LogView, _ known: Set<Digest>) throws(LifeboatError) {
        guard !damaged.isEmpty || !known.isEmpty else { return }
        guard repository.domain != nil else {
            for index in result.problems.indices
            where result.problems[index].object.hasPrefix(ObjectNames.packsPrefix) {
                result.problems[index].affected = ["unknown; verify with a key tells the points"]
            }
            // A marker is not signed: without a key it must not hide that a pack is gone.
            for name in known.sorted() where !damaged.contains(name) {
                add(
                    LifeboatError(
                        .damaged,
                        "the pack was found damaged earlier; whether its content has been stored "
                            + "again takes a key to tell",
                        subject: ObjectNames.pack(name).path), isSetAside: true)
            }
            return
        }
        guard let index = try? Index.open(repository, ledger: log.ledger, refreshes: true),
            let catalog = try? PointCatalog(repository, log: log)
        else { return }
        let lost = try index.lostIDs()
        for name in known.sorted() where !damaged.contains(name) {
            let problem = LifeboatError(
                .damaged, "the pack was found damaged earlier", subject: ObjectNames.pack(name).path
            )
            if !lost.isEmpty { add(problem, isSetAside: true) }
        }
        guard !lost.isEmpty else {
            if !known.isEmpty, damaged.isEmpty {
                result.notes.append("everything in damaged packs has been stored again")
            }
            return
        }
        let nodes = try NodeReader(
            repository, index: index, packs: try PackCache(repository))
        var affected: [String] = []
        for point in catalog.points {
            for volume in point.body.volumes {
                let loss = lostExtents(volume, lost, nodes)
                if let loss {
                    affected.append(
                        "point \(point.id.short) of \(point.body.machine), volume \(volume.name): \(loss)"
                    )
                }
            }
        }
        for index in result.problems.indices
        where result.problems[index].object.hasPrefix(ObjectNames.packsPrefix) {
            result.problems[index].affected = affected
        }
    }

    private func lostExtents(
        _ volume: PointBody.Volume, _ lost: Set<Digest>, _ nodes: NodeReader
    ) -> String? {
        let chunkSize = UInt64(repository.chunkSize)
        var first: UInt64?
        var count: UInt64 = 0
        let root = BlockMapRoot(id: volume.root, levels: volume.levels)
        do throws(LifeboatError) {
            try BlockMapWalk(nodes).difference(.zero, root) { chunk, _, id throws(LifeboatError) in
                if lost.contains(id) {
                    if first == nil { first = chunk * chunkSize }
                    count += 1
                }
            }
        } catch {
            return "its block map cannot be read whole: \(error.message)"
        }
        guard let first else { return nil }
        return "up to \(count * chunkSize) bytes lost, the first at byte \(first)"
    }
}
