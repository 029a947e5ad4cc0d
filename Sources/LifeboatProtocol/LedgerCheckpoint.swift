public import LifeboatCore
public import LifeboatFormat

extension Ledger {
    mutating func take(
        _ checkpoint: Checkpoint, named name: LogEntry.CheckpointName, _ roster: Roster
    ) {
        base = name
        observed = checkpoint.observed
        for log in checkpoint.logs {
            var state = Log(
                member: log.member, isKeeper: roster.member(log.member)?.role == .keeper,
                head: log.head)
            state.time = log.time
            for mark in log.knows { state.knows[mark.incarnation] = mark.sequence }
            for session in log.sessions {
                state.sessions[session.id] = Session(
                    sequence: session.sequence, time: session.time,
                    knows: Dictionary(
                        session.knows.map { ($0.incarnation, $0.sequence) }
                    ) { max($0, $1) })
            }
            state.fencedBy = Set(log.fencedBy)
            state.isEnded = log.isEnded
            logs[log.head.incarnation] = state
        }
        allPoints.reserveCapacity(checkpoint.points.count)
        for point in checkpoint.points {
            var record = Point(
                id: point.id, incarnation: point.incarnation, sequence: point.sequence,
                member: point.member, domain: point.domain, body: point.body, time: point.time)
            record.after = point.after
            record.seen = point.seen
            record.forgotten = point.forgotten
            record.isHeld = point.isHeld
            record.tags = point.tags
            allPoints[point.id] = record
        }
        for group in checkpoint.packs {
            let owner = owner(group, roster)
            for pack in group.digests { packs[pack] = owner }
        }
        for group in checkpoint.runs {
            let owner = owner(group, roster)
            for run in group.digests { runs[run] = owner }
        }
        for condemnation in checkpoint.condemnations {
            for reference in condemnation.references {
                condemned[reference, default: [:]][condemnation.by.incarnation] =
                    condemnation.by.sequence
            }
        }
        doomed = Set(checkpoint.doomed)
        emptied = Set(checkpoint.emptied)
        for group in checkpoint.sparse { sparse[group.member] = group.digests }
    }

    private func owner(_ group: Checkpoint.Group, _ roster: Roster) -> Owner {
        Owner(
            member: group.member, domain: group.domain,
            isKeeper: roster.member(group.member)?.role == .keeper)
    }

    /// The sum of everything so far, for others to begin with.
    ///
    /// Left out: points whose forgetting is final, and `deleted`, which are gone for good.
    /// `incarnation`: the log of the keeper that sums up.
    public func checkpoint(
        repository: Identifier, member: Identifier, incarnation own: Identifier,
        deleted: Set<ObjectReference>, rules: Rules = .all
    ) -> Checkpoint {
        // Greater than all that stand or may come to stand: formats/checkpoint.md, "Which one".
        let ordinal = max(base?.ordinal ?? 0, proposals.values.map(\.ordinal).max() ?? 0) + 1
        var result = Checkpoint(
            repository: repository, member: member, ordinal: ordinal, observed: observed)
        for (incarnation, log) in logs.sorted(by: { $0.key < $1.key }) {
            var head = log.head
            head.incarnation = incarnation
            result.logs.append(
                .init(
                    member: log.member, head: head, time: log.time, knows: marks(log.knows),
                    sessions: log.isEnded
                        ? []
                        : log.sessions.sorted { $0.key < $1.key }.map { id, session in
                            .init(
                                id: id, sequence: session.sequence, time: session.time,
                                knows: marks(session.knows))
                        },
                    fencedBy: log.fencedBy.sorted(), isEnded: log.isEnded))
        }
        let kept = Set(roots(rules).map(\.id))
        for point in allPoints.values.sorted(by: { $0.id < $1.id }) where kept.contains(point.id) {
            result.points.append(
                .init(
                    id: point.id, incarnation: point.incarnation, sequence: point.sequence,
                    member: point.member, domain: point.domain, body: point.body,
                    time: point.time, after: point.after, seen: point.seen,
                    forgotten: point.forgotten, isHeld: point.isHeld, tags: point.tags))
        }
        result.packs = Self.groups(packs)
        result.runs = Self.groups(runs)
        var condemnations: [Checkpoint.Mark: [ObjectReference]] = [:]
        for (reference, keepers) in condemned {
            for (keeper, sequence) in keepers {
                condemnations[.init(keeper, sequence), default: []].append(reference)
            }
        }
        result.condemnations = condemnations.map {
            .init(by: $0.key, references: $0.value.sorted())
        }
        .sorted { ($0.by.incarnation, $0.by.sequence) < ($1.by.incarnation, $1.by.sequence) }
        // A keeper that is tidying, be it a twin of this one, may not have named yet what others
        // took for orphans: it has to learn that its packs are gone.
        let isTidying = logs.contains { incarnation, log in
            log.isKeeper && incarnation != own && !log.isEnded && !log.sessions.isEmpty
        }
        let gone = isTidying ? deleted.intersection(doomedWhenNamed) : deleted
        result.doomed = doomed.subtracting(gone).sorted()
        result.emptied = emptied.filter { packs[$0] != nil }.sorted()
        result.sparse = sparse.sorted { $0.key < $1.key }.map { keeper, digests in
            .init(member: keeper, domain: keeper, digests: digests)
        }
        return result
    }

    private func marks(_ knows: [Identifier: UInt64]) -> [Checkpoint.Mark] {
        knows.sorted { $0.key < $1.key }.map { Checkpoint.Mark($0.key, $0.value) }
    }

    private static func groups(_ objects: [Digest: Owner]) -> [Checkpoint.Group] {
        var groups: [Owner: [Digest]] = [:]
        for (digest, owner) in objects { groups[owner, default: []].append(digest) }
        return groups.map { owner, digests in
            .init(member: owner.member, domain: owner.domain, digests: digests.sorted())
        }.sorted { ($0.member, $0.domain) < ($1.member, $1.domain) }
    }
}
