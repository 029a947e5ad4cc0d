public import LifeboatCore
public import LifeboatFormat

extension Ledger {
    /// Sums up a checkpoint, if there is one, and entries behind it.
    ///
    /// `entries`: of each log, consecutive entries; those that the checkpoint covers are left out.
    public init(
        _ base: (name: LogEntry.CheckpointName, checkpoint: Checkpoint)?,
        entries: [Identifier: [VerifiedEntry]], roster: Roster, rules: Rules = .all
    ) {
        if let base { take(base.checkpoint, named: base.name, roster) }
        add(entries, roster: roster, rules: rules)
    }

    /// What a checkpoint says, before any entries are added.
    init(of checkpoint: Checkpoint, named name: LogEntry.CheckpointName, roster: Roster) {
        take(checkpoint, named: name, roster)
    }

    /// Adds entries behind the checkpoint; once.
    mutating func add(
        _ entries: [Identifier: [VerifiedEntry]], roster: Roster, rules: Rules
    ) {
        let fresh = fresh(entries, roster)
        let keepers = fresh.keys.filter { isKeeper($0, fresh, roster) }.sorted()
        for incarnation in keepers {
            for verified in fresh[incarnation] ?? [] { take(verified, isKeeper: true) }
        }
        let ends = takeFences(keepers, fresh, roster)
        for incarnation in fresh.keys.sorted() where !keepers.contains(incarnation) {
            for verified in fresh[incarnation] ?? [] {
                if rules.contains(.ignoreBehindFence), let end = ends[incarnation],
                    verified.entry.sequence > end
                {
                    break
                }
                take(verified, isKeeper: false)
            }
        }
        for incarnation in keepers {
            for verified in fresh[incarnation] ?? [] { take(keeperEntry: verified.entry) }
        }
        takeDecisions(keepers.flatMap { fresh[$0] ?? [] })
        for run in replacedRuns { runs[run] = nil }
        for reference in doomed { drop(reference) }
        noteSeen(keepers, fresh)
        takeTagEdits(keepers, fresh)
        endLogs(ends, roster)
        if rules.contains(.relyOnlyOnWhatStands) { noteDoubts(fresh) }
    }

    /// Entries behind what the base covers and before what the roster ends.
    private func fresh(
        _ entries: [Identifier: [VerifiedEntry]], _ roster: Roster
    ) -> [Identifier: [VerifiedEntry]] {
        var fresh: [Identifier: [VerifiedEntry]] = [:]
        for (incarnation, list) in entries {
            let log = logs[incarnation]
            if log?.isEnded == true { continue }
            let start = log?.head.sequence ?? 0
            let member = (list.first?.entry.member).flatMap { roster.member($0) }
            let end =
                member?.revoked.map { heads in
                    heads.first { $0.incarnation == incarnation }?.sequence ?? 0
                } ?? .max
            let isAll =
                list.first.map { $0.entry.sequence > start } ?? false
                && list.allSatisfy { $0.entry.sequence <= end }
            let counted =
                isAll
                ? list
                : list.filter { $0.entry.sequence > start && $0.entry.sequence <= end }
            if !counted.isEmpty { fresh[incarnation] = counted }
        }
        return fresh
    }

    private func isKeeper(
        _ incarnation: Identifier, _ entries: [Identifier: [VerifiedEntry]], _ roster: Roster
    ) -> Bool {
        let member = (entries[incarnation]?.first?.entry.member).flatMap { roster.member($0) }
        return member?.role == .keeper
    }

    private mutating func take(_ verified: VerifiedEntry, isKeeper: Bool) {
        let entry = verified.entry
        var log =
            logs[entry.incarnation]
            ?? Log(
                member: entry.member, isKeeper: isKeeper,
                head: LogHead(incarnation: entry.incarnation, sequence: 0, digest: .zero))
        log.member = entry.member
        for head in entry.heads {
            log.knows[head.incarnation] = max(log.knows[head.incarnation] ?? 0, head.sequence)
        }
        for id in entry.closed { log.sessions[id] = nil }
        for id in entry.opened {
            log.sessions[id] = Session(
                sequence: entry.sequence, time: entry.time, knows: log.knows)
        }
        log.head = verified.head
        log.time = entry.time
        logs[entry.incarnation] = log
        let owner = Owner(
            member: entry.member, domain: entry.domain, isKeeper: isKeeper)
        for pack in entry.packs where packs[pack] == nil { packs[pack] = owner }
        for run in entry.runs where runs[run] == nil { runs[run] = owner }
        for run in entry.replacedRuns {
            // A writer can replace only what it added itself: a thief of its keys must not take
            // the index from others.
            guard isKeeper || runs[run]?.member == entry.member else { continue }
            replacedRuns.insert(run)
        }
        if verified.addsPoint {
            allPoints[verified.id] = Point(
                id: verified.id, incarnation: entry.incarnation, sequence: entry.sequence,
                member: entry.member, domain: entry.domain, body: entry.body, time: entry.time)
        }
    }

    /// Where fenced logs end: the least of what keepers found; notes fences in doubt.
    private mutating func takeFences(
        _ keepers: [Identifier], _ fresh: [Identifier: [VerifiedEntry]], _ roster: Roster
    ) -> [Identifier: UInt64] {
        var ends: [Identifier: UInt64] = [:]
        var announced = logs.mapValues(\.fencedBy)
        var completed: [Identifier: Set<Identifier>] = [:]
        for keeper in keepers {
            for verified in fresh[keeper] ?? [] {
                for incarnation in verified.entry.fenced {
                    announced[incarnation, default: []].insert(keeper)
                }
                for head in verified.entry.ends {
                    completed[head.incarnation, default: []].insert(keeper)
                    ends[head.incarnation] = min(ends[head.incarnation] ?? .max, head.sequence)
                }
            }
        }
        for (incarnation, by) in announced where !by.isEmpty {
            var log =
                logs[incarnation]
                ?? Log(
                    member: incarnation, isKeeper: false,
                    head: LogHead(incarnation: incarnation, sequence: 0, digest: .zero))
            if log.isEnded { continue }
            log.fencedBy = by
            // A keeper that the root has ended completes nothing any more.
            log.isInDoubt = by.subtracting(completed[incarnation] ?? []).contains { keeper in
                logs[keeper].map { roster.member($0.member)?.revoked == nil } ?? false
            }
            logs[incarnation] = log
        }
        return ends
    }

    private mutating func take(keeperEntry entry: LogEntry) {
        let keeper = entry.incarnation
        for reference in entry.condemned {
            condemned[reference, default: [:]][keeper] = entry.sequence
        }
        emptied.formUnion(entry.emptied)
        for reference in entry.released {
            dropCondemnation(reference, keeper)
            emptied.remove(reference.digest)
        }
        doomed.formUnion(entry.doomed)
        if let name = entry.proposal { proposals[keeper] = name }
        if let list = entry.sparse { sparse[keeper] = list }
    }

    /// What keepers said of points, in the order of their clocks: of two that forgot the same point
    /// the first counts, of those that held and released one the last.
    private mutating func takeDecisions(_ entries: [VerifiedEntry]) {
        func key(_ entry: LogEntry) -> (UInt64, Identifier, UInt64) {
            (entry.time, entry.incarnation, entry.sequence)
        }
        for entry in entries.map(\.entry).sorted(by: { key($0) < key($1) }) {
            let mark = Checkpoint.Mark(entry.incarnation, entry.sequence)
            for id in entry.forgotten where allPoints[id]?.forgotten == nil {
                allPoints[id]?.forgotten = mark
            }
            for id in entry.held { allPoints[id]?.isHeld = true }
            for id in entry.unheld { allPoints[id]?.isHeld = false }
        }
    }

    private mutating func dropCondemnation(_ reference: ObjectReference, _ keeper: Identifier) {
        condemned[reference]?[keeper] = nil
        if condemned[reference]?.isEmpty == true { condemned[reference] = nil }
    }

    private mutating func drop(_ reference: ObjectReference) {
        condemned[reference] = nil
        let owner: Owner?
        switch reference.kind {
        case .pack:
            owner = packs.removeValue(forKey: reference.digest)
            emptied.remove(reference.digest)
        case .indexRun: owner = runs.removeValue(forKey: reference.digest)
        case .pointBody: owner = nil
        }
        if owner != nil { doomedWhenNamed.insert(reference) }
    }

    /// Notes for each new point between which of keepers' looks it appeared.
    private mutating func noteSeen(
        _ keepers: [Identifier], _ fresh: [Identifier: [VerifiedEntry]]
    ) {
        let isNew = allPoints.values.contains { $0.seen == 0 }
        var looks: [UInt64] = [observed]
        var sightings: [Identifier: [(sequence: UInt64, time: UInt64)]] = [:]
        for keeper in keepers {
            for verified in fresh[keeper] ?? [] {
                looks.append(verified.entry.time)
                guard isNew else { continue }
                for head in verified.entry.heads {
                    sightings[head.incarnation, default: []].append(
                        (head.sequence, verified.entry.time))
                }
            }
        }
        looks.sort()
        for (id, point) in allPoints where point.seen == 0 {
            let times = (sightings[point.incarnation] ?? [])
                .filter { $0.sequence >= point.sequence }.map(\.time)
            guard let seen = times.min() else { continue }
            allPoints[id]?.seen = max(seen, 1)
            allPoints[id]?.after = looks.last { $0 < seen } ?? 0
        }
        observed = looks.last ?? observed
    }

    /// Later edits win; a writer edits its own points only.
    private mutating func takeTagEdits(
        _ keepers: [Identifier], _ fresh: [Identifier: [VerifiedEntry]]
    ) {
        var edits: [(time: UInt64, id: Digest, edit: LogEntry.TagEdit)] = []
        for (incarnation, list) in fresh {
            let end = logs[incarnation]?.head.sequence ?? 0
            for verified in list where verified.entry.sequence <= end {
                for edit in verified.entry.tagEdits
                where keepers.contains(incarnation)
                    || allPoints[edit.point]?.member == verified.entry.member
                {
                    edits.append((verified.entry.time, verified.id, edit))
                }
            }
        }
        for edit in edits.sorted(by: { ($0.time, $0.id) < ($1.time, $1.id) }) {
            allPoints[edit.edit.point]?.tags = edit.edit.sealed
        }
    }

    private mutating func endLogs(_ ends: [Identifier: UInt64], _ roster: Roster) {
        for (incarnation, log) in logs {
            if let end = ends[incarnation], !log.isInDoubt, log.head.sequence >= end {
                logs[incarnation]?.isEnded = true
            }
            guard let member = roster.member(log.member) else { continue }
            if member.revoked != nil {
                logs[incarnation]?.isEnded = true
                logs[incarnation]?.isInDoubt = false
                // It will neither release nor doom any more.
                if log.isKeeper {
                    for reference in condemned.keys { dropCondemnation(reference, incarnation) }
                }
            } else if member.isSuspended {
                logs[incarnation]?.isInDoubt = true
            }
        }
    }

    /// Notes what entries said whose logs may yet turn out to end before them.
    private mutating func noteDoubts(_ fresh: [Identifier: [VerifiedEntry]]) {
        for (incarnation, list) in fresh where logs[incarnation]?.isInDoubt == true {
            for verified in list {
                doubtfulPacks.formUnion(verified.entry.packs)
                allPoints[verified.id]?.isInDoubt = true
            }
        }
    }
}
