import LifeboatCore
import LifeboatFormat
import LifeboatProtocol

extension Simulation {
    /// What the logs say now, to a reader who remembers nothing and whom nothing happens to.
    func truth() -> Ledger? { truth(seen: []) }

    private func truth(seen: [LogHead]) -> Ledger? {
        // Nothing happens meanwhile, so that nobody needs to look again.
        var reading = LogReading(
            roster: roster, seen: seen,
            rules: Rules.all.subtracting([.readKeepersFirst, .readRosterAgain]),
            shape: shape)
        while let request = reading.request { reading.take(store.answer(request)) }
        if let gap = reading.gaps.first {
            fail("entry \(describe(gap.incarnation))#\(gap.sequence) is missing")
            return nil
        }
        return reading.ledger
    }

    /// Whether everything that was promised still holds.
    func check() {
        isDirty = false
        lastCheck = now
        guard let ledger = truth() else { return }
        for (id, point) in ledger.allPoints {
            if everCounted[id] == nil { everCounted[id] = (point.incarnation, point.member) }
        }
        for (id, origin) in everCounted.sorted(by: { $0.key < $1.key }) {
            guard ledger.allPoints[id] == nil, !forgotten.contains(id) else { continue }
            if roster.member(origin.member)?.isSuspended == true { continue }
            if told.contains(id) { return fail("point \(id.brief), which counted, is gone") }
            if ledger.logs[origin.log]?.fencedBy.isEmpty == false { continue }
            return fail("point \(id.brief) does not count any more")
        }
        for id in told.sorted() where everCounted[id] == nil && !forgotten.contains(id) {
            return fail("point \(id.brief) was said to count and does not")
        }
        for point in ledger.points where !isWhole(point, ledger) { return }
    }

    private func isWhole(_ point: Ledger.Point, _ ledger: Ledger) -> Bool {
        guard let body = store.objects[ObjectReference(.pointBody, point.body)] else {
            fail("the body of point \(point.id.brief) is gone")
            return false
        }
        var missing = body.chunks
        for pack in ledger.packs.keys {
            if let content = store.objects[ObjectReference(.pack, pack)] {
                missing &= ~content.chunks
            }
        }
        if missing != 0 { fail("chunks \(bits(missing)) of point \(point.id.brief) are lost") }
        return missing == 0
    }

    // MARK: the end

    /// Lets all faults end and everybody finish, collects, and looks for what should be gone.
    func settle() {
        faults = Faults()
        tidying = 0
        arrive(all: true)
        snapshots = []
        for host in hosts.indices {
            hosts[host].remaining = 0
            // Of many twins few are enough to show how they come to an end.
            if hosts[host].isTwin, random.chance(700) { hosts[host].isGone = true }
            for process in hosts[host].processes.indices {
                hosts[host].processes[process].asleepUntil = 0
                if random.chance(500) { hosts[host].crash(process) }
            }
        }
        for (member, _) in suspended { revoke(member) }
        finishAll()
        arrive(all: true)
        check()
        guard violation == nil else { return }
        for host in hosts.indices where isHonest(host) && hosts[host].role == .writer {
            backUp(host)
        }
        guard violation == nil, scene.endsWithCollection else { return }
        endForGood()
        guard violation == nil else { return }
        for _ in 0..<3 {
            for host in hosts.indices where isHonest(host) && hosts[host].role == .keeper {
                operate(host) { beginCollection(host, 0) }
                guard violation == nil else { return }
            }
        }
        check()
        if violation == nil { lookForGarbage() }
    }

    private func isHonest(_ host: Int) -> Bool {
        !hosts[host].isGone && roster.member(hosts[host].member)?.isSuspended == false
    }

    private func finishAll() {
        for _ in 0..<20_000 {
            var isBusy = false
            for host in hosts.indices where !hosts[host].isGone {
                for process in hosts[host].processes.indices
                where !hosts[host].processes[process].isIdle {
                    isBusy = true
                    now += 1
                    step(host, process)
                }
            }
            if !isBusy || violation != nil { return }
        }
        fail("somebody does not come to an end")
    }

    /// Does one operation on a host from beginning to end.
    private func operate(_ host: Int, _ begin: () -> Void) {
        begin()
        for _ in 0..<20_000 where violation == nil && !hosts[host].processes[0].isIdle {
            now += 1
            step(host, 0)
        }
        if !hosts[host].processes[0].isIdle { fail("host \(host) does not come to an end") }
    }

    /// Every honest writer must be able to back up, at the latest as a new incarnation.
    private func backUp(_ host: Int) {
        for _ in 0..<3 {
            let before = countedSessions
            operate(host) { beginSession(host, 0) }
            if violation != nil || countedSessions > before { return }
        }
        fail("host \(host) cannot back up any more")
    }

    /// Fences what nobody goes on with; the root ends keepers that left a fence half done and came
    /// back as new incarnations.
    private func endForGood() {
        fenceAbandoned()
        guard violation == nil, let ledger = truth() else { return }
        var dead: Set<Identifier> = []
        for log in ledger.logs.values where log.isInDoubt {
            for keeper in log.fencedBy where isAbandoned(keeper) {
                if let member = ledger.logs[keeper]?.member { dead.insert(member) }
            }
        }
        for member in dead.sorted() {
            suspend(member)
            revoke(member)
        }
        if !hosts.indices.contains(where: { isHonest($0) && hosts[$0].role == .keeper }) {
            enrol(.keeper)
        }
        if !dead.isEmpty { fenceAbandoned() }
    }

    private func fenceAbandoned() {
        for host in hosts.indices where isHonest(host) && hosts[host].role == .keeper {
            // The first time a host may find that it has become a new incarnation.
            for _ in 0..<2 where violation == nil {
                operate(host) { beginFence(host, 0, isRight: true) }
            }
            operate(host) { beginKeeping(host, 0) }
        }
    }

    private func lookForGarbage() {
        guard let ledger = truth() else { return }
        var needed: UInt64 = 0
        var bodies: Set<Digest> = []
        for point in ledger.points {
            bodies.insert(point.body)
            needed |= store.objects[ObjectReference(.pointBody, point.body)]?.chunks ?? 0
        }
        for slot in store.objects.slots where slot.isPresent {
            let isUsed =
                switch slot.name.kind {
                case .pack:
                    ledger.packs[slot.name.digest] != nil && slot.content.chunks & needed != 0
                case .indexRun: ledger.runs[slot.name.digest] != nil
                case .pointBody: bodies.contains(slot.name.digest)
                }
            if !isUsed { return fail("\(describe(slot.name)) is kept for ever") }
        }
        for run in ledger.runs.keys.sorted()
        where store.objects[ObjectReference(.indexRun, run)] == nil {
            return fail("run \(run.brief) is named and gone")
        }
        let isTidying = ledger.logs.values.contains {
            $0.isKeeper && !$0.isEnded && !$0.sessions.isEmpty
        }
        if !ledger.doomed.isEmpty, !isTidying {
            return fail("\(ledger.doomed.count) objects stay doomed")
        }
        lookForOldEntries(ledger)
        compareReaders(ledger)
    }

    /// All but the anchors of keepers' logs must be gone, of what the last checkpoint covers.
    private func lookForOldEntries(_ ledger: Ledger) {
        guard let base = ledger.base, let checkpoint = store.checkpoints[base] else {
            return fail("there is no checkpoint")
        }
        for slot in store.entries.slots where slot.isPresent {
            let incarnation = slot.name.incarnation
            guard
                let log = checkpoint.logs.first(where: { $0.head.incarnation == incarnation }),
                slot.name.sequence <= log.head.sequence
            else { continue }
            let isKeeper = roster.member(log.member)?.role == .keeper
            let isAnchor =
                isKeeper
                && LogSearch.isAnchor(slot.name.sequence, cutoff: log.head.sequence, shape: shape)
            if !isAnchor {
                return fail(
                    "entry \(describe(incarnation))#\(slot.name.sequence) is kept for ever")
            }
        }
        let old = store.checkpoints.slots.filter {
            $0.isPresent && $0.name.ordinal < base.ordinal
        }
        if !old.isEmpty { fail("\(old.count) old checkpoints are kept for ever") }
    }

    /// Readers who remember something must see the same as one who remembers nothing.
    private func compareReaders(_ ledger: Ledger) {
        for host in hosts.indices where isHonest(host) {
            guard let other = truth(seen: hosts[host].memory.seen) else { return }
            let isSame =
                other.allPoints == ledger.allPoints && other.packs == ledger.packs
                && other.runs == ledger.runs && other.condemned == ledger.condemned
                && other.doomed == ledger.doomed && other.logs == ledger.logs
                && other.base == ledger.base
            if !isSame { return fail("host \(host) reads something else") }
        }
    }
}
