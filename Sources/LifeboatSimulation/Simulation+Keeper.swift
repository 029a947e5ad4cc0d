import LifeboatCore
import LifeboatFormat
import LifeboatProtocol

extension Simulation {
    // MARK: forgetting

    func beginKeeping(_ host: Int, _ process: Int) {
        hosts[host].lock = process
        hosts[host].processes[process].keeping = Running(
            KeepingProtocol(
                writing: writing(host), time: clock(host)))
        note(host, process, "begins to forget", 8)
    }

    func stepKeeping(_ host: Int, _ process: Int) {
        guard let keeping = hosts[host].processes[process].keeping else { return }
        if let action = keeping.with({ $0.action }) {
            keeping.state.take(perform(action, host, process))
            readOn(action, { keeping.state.action }, { keeping.state.take($0) })
        }
        if keeping.with({ $0.isReady }) {
            let points = forgettable(
                keeping.with({ $0.writing.ledger }))
            keeping.state.decide(
                points.isEmpty ? nil : { entry in entry.forgotten = points })
        }
        guard let verdict = keeping.with({ $0.verdict }) else {
            return
        }
        note(host, process, "forgetting: \(verdict)", 9)
        hosts[host].processes[process].keeping = nil
        hosts[host].lock = nil
        if case .refused(let refusal) = verdict { fail("a host was refused: \(refusal)") }
    }

    /// Some points that are not their machines' newest.
    private func forgettable(_ ledger: Ledger) -> [Digest] {
        var newest: [Int: Digest] = [:]
        let points = ledger.points
        func machine(_ point: Ledger.Point) -> Int {
            store.objects.content(ObjectReference(.pointBody, point.body))?.machine ?? -1
        }
        for point in points { newest[machine(point)] = point.id }
        return points.filter { newest[machine($0)] != $0.id && random.chance(scene.forgetfulness) }
            .map(\.id)
    }

    // MARK: fencing

    func beginFence(_ host: Int, _ process: Int, isRight: Bool) {
        guard let ledger = truth() else { return }
        var logs: [Identifier] = []
        for (incarnation, log) in ledger.logs.sorted(by: { $0.key < $1.key })
        where !log.isKeeper && !log.isEnded {
            if log.fencedBy.contains(hosts[host].incarnation) {
                logs.append(incarnation)
            } else if !isRight {
                if random.chance(400) { logs.append(incarnation) }
            } else if isAbandoned(incarnation) {
                logs.append(incarnation)
            }
        }
        guard !logs.isEmpty else { return }
        hosts[host].lock = process
        hosts[host].processes[process].fence = Running(
            FenceProtocol(
                logs, writing: writing(host), time: clock(host), rules: rules))
        note(host, process, "fences \(logs.map(describe))", 10)
    }

    /// Whether no host goes on with this log.
    func isAbandoned(_ incarnation: Identifier) -> Bool {
        !hosts.contains { !$0.isGone && $0.incarnation == incarnation }
    }

    func stepFence(_ host: Int, _ process: Int) {
        guard let fence = hosts[host].processes[process].fence else { return }
        if let action = fence.with({ $0.action }) {
            fence.state.take(perform(action, host, process))
            readOn(action, { fence.state.action }, { fence.state.take($0) })
        }
        guard let verdict = fence.with({ $0.verdict }) else {
            return
        }
        note(host, process, "fence: \(verdict)", 11)
        hosts[host].processes[process].fence = nil
        hosts[host].lock = nil
        if case .refused(let refusal) = verdict { fail("a host was refused: \(refusal)") }
    }

    // MARK: collecting

    func beginCollection(_ host: Int, _ process: Int) {
        hosts[host].lock = process
        let tidies = random.chance(tidying)
        hosts[host].processes[process].collecting = CollectionWork()
        hosts[host].processes[process].collection = Running(
            CollectionProtocol(
                writing: writing(host), time: clock(host), tidies: tidies, rules: rules))
        note(host, process, "begins to collect\(tidies ? ", tidying" : "")", 12)
    }

    func stepCollection(_ host: Int, _ process: Int) {
        guard let collection = hosts[host].processes[process].collection else { return }
        guard let action = collection.with({ $0.action }) else {
            return endCollection(host, process)
        }
        if case .log(.put(let entry)) = action,
            !entry.doomed.isEmpty || !entry.released.isEmpty, random.chance(scene.hesitation)
        {
            hosts[host].processes[process].asleepUntil =
                now + 1 + random.below(faults.longestSleep)
            return
        }
        guard let reply = reply(to: action, host, process) else { return }
        // A step that could not go on has been dropped.
        guard hosts[host].processes[process].collection != nil else { return }
        collection.state.take(reply)
        if case .log(.put(let entry)) = action, !entry.condemned.isEmpty, hosts.count < 5,
            random.chance(scene.cloning)
        {
            clone(host, isAlive: true)
        }
        if case .log(let action) = action {
            readOn(
                action,
                {
                    if case .log(let next)? = collection.state.action { next } else { nil }
                }, { collection.state.take(.log($0)) })
        } else {
            isTelling = true
        }
        if collection.with({ $0.verdict }) != nil {
            endCollection(host, process)
        }
    }

    private func endCollection(_ host: Int, _ process: Int) {
        guard let collection = hosts[host].processes[process].collection else { return }
        guard let verdict = collection.with({ $0.verdict }) else {
            return fail("collection has nothing to do and no verdict")
        }
        note(host, process, "collection: \(verdict)", 13)
        hosts[host].processes[process].collection = nil
        hosts[host].lock = nil
        switch verdict {
        case .refused(let refusal): fail("a host was refused: \(refusal)")
        case .damaged(let gaps): fail("a keeper finds entries missing: \(describe(gaps))")
        case .done, .void, .suspended: break
        }
    }

    func describe(_ gaps: [LogReading.Gap]) -> String {
        gaps.map { "\(describe($0.incarnation))#\($0.sequence)" }.joined(separator: " ")
    }

    /// Does what collection asks for; `nil` when it takes another step, or is given up.
    private func reply(
        to action: CollectionProtocol.Action, _ host: Int, _ process: Int
    ) -> CollectionProtocol.Reply? {
        switch action {
        case .log(let action): return .log(perform(action, host, process))
        case .list: return .listed(listObjects())
        case .mark(let round):
            return kept(round, host, process).map { .marked(.init(kept: $0)) }
        case .tidy: return .tidied(tidy(host, process))
        case .readRoster: return .roster(roster)
        case .delete(let references):
            return delete(references, host, process).map { .deleted($0) }
        case .storeCheckpoint(let checkpoint):
            let name = LogEntry.CheckpointName(
                ordinal: checkpoint.ordinal,
                digest: SimulatedName.digest(of: checkpoint.payload.encoded()))
            if random.chance(faults.lostReply) { return nil }
            _ = store.checkpoints.put(name, checkpoint, at: now)
            return .storedCheckpoint(name)
        case .truncate(let name, let checkpoint):
            truncate(name, checkpoint)
            isDirty = true
            note(host, process, "truncates behind checkpoint \(name.ordinal)", 14)
            return .truncated
        }
    }

    /// The names that a listing shows, each from some time of late.
    func listObjects() -> [ObjectReference] {
        let isStale = random.chance(faults.staleListing)
        var result: [ObjectReference] = []
        for slot in store.objects.slots {
            let time = isStale ? now - random.span(500) : now
            if slot.isListed(asOf: time) { result.append(slot.name) }
        }
        return result
    }

    // MARK: marking

    /// The packs that must stay.
    private func kept(
        _ round: CollectionProtocol.Round, _ host: Int, _ process: Int
    ) -> Set<Digest>? {
        guard let collection = hosts[host].processes[process].collection else { return nil }
        let writing = collection.state.writing
        let survival = Survival(
            writing.ledger, keeper: writing.incarnation, emptied: Set(round.emptied),
            rules: rules)
        let packs = writing.ledger.packs.keys.sorted()
        guard let needed = needed(round.roots, host, process) else { return nil }
        var kept: Set<Digest> = []
        for chunk in 0..<chunkCount where needed >> UInt64(chunk) & 1 == 1 {
            let copies = packs.filter { contents(of: $0) >> UInt64(chunk) & 1 == 1 }
            kept.formUnion(survival.kept(of: copies))
        }
        return kept
    }

    /// All chunks that the bodies of these points reach.
    private func needed(_ roots: [Ledger.Point], _ host: Int, _ process: Int) -> UInt64? {
        var needed: UInt64 = 0
        for root in roots {
            if let body = store.objects[ObjectReference(.pointBody, root.body)] {
                needed |= body.chunks
            } else if root.forgotten == nil {
                // Another keeper may have forgotten it meanwhile, for good; this step is given up.
                note(host, process, "misses the body of \(root.id.brief)", 15)
                hosts[host].crash(process)
                isDirty = true
                return nil
            }
        }
        return needed
    }

    // MARK: tidying

    private func tidy(_ host: Int, _ process: Int) -> CollectionProtocol.Tidying {
        guard let collection = hosts[host].processes[process].collection else { return .init() }
        var result = CollectionProtocol.Tidying()
        let ledger = collection.with({ $0.ledger })
        guard let needed = needed(ledger.roots(rules), host, process) else { return result }
        var live: UInt64 = 0
        for pack in ledger.packs.keys.sorted()
        where ledger.condemned[ObjectReference(.pack, pack)] == nil && random.chance(400) {
            guard let content = store.objects[ObjectReference(.pack, pack)] else { continue }
            guard content.chunks & needed != 0 else { continue }
            result.emptied.append(pack)
            live |= content.chunks & needed
            if result.emptied.count == 3 { break }
        }
        if live != 0 {
            let pack = newName()
            while !put(ObjectReference(.pack, pack), .init(chunks: live)) {}
            result.packs = [pack]
        }
        let runs = ledger.runs.keys.sorted()
        if runs.count > 2, random.chance(500) {
            let run = newName()
            while !put(ObjectReference(.indexRun, run), .init()) {}
            result.runs = [run]
            result.replacedRuns = Array(runs.prefix(2))
        }
        note(
            host, process,
            "tidies \(result.emptied.map(\.brief)) into \(result.packs.map(\.brief)) \(bits(live))",
            16)
        return result
    }

    // MARK: deleting

    private func delete(
        _ references: [ObjectReference], _ host: Int, _ process: Int
    ) -> [ObjectReference]? {
        guard let collection = hosts[host].processes[process].collection else { return nil }
        if hosts[host].processes[process].collecting.toDelete == nil {
            var all = references
            if !rules.contains(.condemnOrphans) {
                let ledger = collection.with({ $0.ledger })
                all += listObjects().filter { $0.kind == .pack && ledger.packs[$0.digest] == nil }
            }
            hosts[host].processes[process].collecting.toDelete = all
            note(host, process, "deletes \(all.map(describe))", 17)
        }
        guard let next = hosts[host].processes[process].collecting.toDelete?.popLast() else {
            hosts[host].processes[process].collecting.toDelete = nil
            return hosts[host].processes[process].collecting.deleted
        }
        if delete(next) { hosts[host].processes[process].collecting.deleted.append(next) }
        return nil
    }

    private func truncate(_ name: LogEntry.CheckpointName, _ checkpoint: Checkpoint) {
        let time = random.chance(faults.staleListing) ? now - random.span(500) : now
        var covered: [Identifier: (end: UInt64, isKeeper: Bool)] = [:]
        for log in checkpoint.logs {
            covered[log.head.incarnation] = (
                log.head.sequence, roster.member(log.member)?.role == .keeper
            )
        }
        for slot in store.entries.slots where slot.isListed(asOf: time) {
            guard let log = covered[slot.name.incarnation], slot.name.sequence <= log.end else {
                continue
            }
            let isAnchor =
                log.isKeeper && rules.contains(.keepAnchors)
                && LogSearch.isAnchor(slot.name.sequence, cutoff: log.end, shape: shape)
            if isAnchor { continue }
            if random.chance(faults.lateDelete) {
                later(.deleteEntry(slot.name))
            } else {
                store.entries.delete(slot.name, at: now)
            }
        }
        for slot in store.checkpoints.slots
        where slot.isListed(asOf: time) && slot.name.ordinal < name.ordinal {
            if random.chance(faults.lateDelete) {
                later(.deleteCheckpoint(slot.name))
            } else {
                store.checkpoints.delete(slot.name, at: now)
            }
        }
    }
}

extension Host {
    /// The log that it would go on with.
    var incarnation: Identifier { Incarnation.id(of: member, number: max(1, memory.number)) }
}
