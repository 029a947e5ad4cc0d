public import LifeboatCore
public import LifeboatFormat

/// One step of collection by a keeper, as a pure state machine: condemn what nobody seems to
/// need, wait for sessions that do not know it, mark again, delete, and sum up the logs.
///
/// Do `action`, `take` the result, until `action` is `nil`. A step never waits: what cannot be
/// deleted yet is left to the next one. Source: formats/collection.md.
public struct CollectionProtocol: Sendable {
    private enum Stage: Sendable {
        case starting, listing, marking, opening, tidying, condemning, relearning
        case markingAgain, dooming, verifying, confirming, deleting, proposing, storing, checking,
            closing, closed
        case truncating
        case over(Verdict)
    }

    private let time: UInt64
    private let rules: Rules
    private var stage = Stage.starting
    public private(set) var writing: LogWriting
    private var incarnation: Identifier
    private var listed: [ObjectReference] = []
    private var marking = Marking(kept: [])
    private var tidying = Tidying()
    private var proposal: (name: LogEntry.CheckpointName, checkpoint: Checkpoint)?
    private var fencesAtProposal: [Identifier: Set<Identifier>] = [:]
    /// What was deleted, now or by an earlier step whose checkpoint still names it.
    private var deletedNow: Set<ObjectReference> = []
    private var isConfirmed = false
    private let tidies: Bool
    /// The session in this keeper's own log in which it stores packs anew.
    private var session: Identifier?

    // What there is to tell.
    public private(set) var newlyCondemned: [ObjectReference] = []
    public private(set) var released: [ObjectReference] = []
    public private(set) var doomed: [ObjectReference] = []
    /// Sessions that have to end, or be fenced, before what is condemned can be deleted.
    public private(set) var waitsFor:
        [(incarnation: Identifier, id: Identifier, session: Ledger.Session)] = []

    /// `tidies`: whether to ask for tidying.
    public init(writing: LogWriting, time: UInt64, tidies: Bool, rules: Rules = .all) {
        self.writing = writing
        incarnation = writing.incarnation
        self.time = time
        self.tidies = tidies
        self.rules = rules
        self.writing.read()
    }

    public var ledger: Ledger { writing.ledger }

    public var verdict: Verdict? {
        if case .over(let verdict) = stage { verdict } else { nil }
    }

    public var action: Action? {
        if !writing.isIdle { return writing.action.map { .log($0) } }
        switch stage {
        case .listing: return .list
        case .marking, .markingAgain:
            return .mark(Round(roots: ledger.roots(rules), emptied: tidying.emptied))
        case .tidying: return .tidy
        case .confirming, .closed: return .readRoster
        case .deleting: return .delete(deletable)
        case .storing:
            return .storeCheckpoint(
                ledger.checkpoint(
                    repository: writing.repository, member: writing.member,
                    incarnation: writing.incarnation, deleted: deletedNow,
                    rules: rules))
        case .truncating:
            return proposal.map { .truncate($0.name, $0.checkpoint) }
        default: return nil
        }
    }

    public mutating func take(_ reply: Reply) {
        if case .log(let reply) = reply {
            writing.take(reply)
        } else {
            takeResult(reply)
        }
        while writing.isIdle, advance() {}
    }

    private mutating func takeResult(_ reply: Reply) {
        switch (stage, reply) {
        case (.listing, .listed(let references)):
            listed = references
            stage = .marking
        case (.marking, .marked(let marking)):
            self.marking = marking
            if tidies {
                open()
            } else {
                condemn()
            }
        case (.tidying, .tidied(let tidying)):
            self.tidying = tidying
            condemn()
        case (.markingAgain, .marked(let marking)):
            self.marking = marking
            doom()
        case (.confirming, .roster(let roster)):
            writing.roster = roster
            guard isMember else {
                stage = .over(.void)
                return
            }
            stage = .deleting
            if deletable.isEmpty { stage = .storing }
        case (.closed, .roster(let roster)):
            writing.roster = roster
            // What it confirmed after the root looked where its log ends does not count.
            stage = isMember || !rules.contains(.endWithTheRoster) ? .truncating : .over(.void)
        case (.deleting, .deleted(let references)):
            deletedNow.formUnion(references)
            stage = .storing
        case (.storing, .storedCheckpoint(let name)): propose(name)
        case (.truncating, .truncated): stage = .over(.done)
        default: preconditionFailure("a reply that does not belong to the action")
        }
    }

    // MARK: stages

    /// Goes on when the log has been read or written; returns whether there is more at once.
    private mutating func advance() -> Bool {
        if let refusal = writing.refusal { return end(.refused(refusal)) }
        switch stage {
        case .starting:
            guard isSound() else { return false }
            incarnation = writing.incarnation
            stage = .listing
            return false
        case .opening:
            guard isAppended else { return end(.void) }
            stage = .tidying
            return false
        case .condemning:
            guard isAppended else { return end(.void) }
            stage = .relearning
            writing.read()
        case .relearning:
            guard isStillOwn else { return end(.void) }
            guard isSound() else { return false }
            stage = .markingAgain
            guard !rules.contains(.markAgain) else { return false }
            doom()
        case .dooming:
            guard isAppended else { return end(.void) }
            guard rules.contains(.lookBeforeDeleting) else {
                stage = .confirming
                return false
            }
            stage = .verifying
            writing.read()
        case .verifying:
            // A twin may have come first, with another decision; or the entry stands where a
            // checkpoint had covered everything already.
            guard isStillOwn else { return end(.void) }
            guard isSound() else { return false }
            stage = .confirming
            return false
        case .proposing:
            guard isAppended else { return end(.void) }
            stage = .checking
            writing.read()
        case .checking:
            guard isStillOwn, isMember || !rules.contains(.endWithTheRoster) else {
                return end(.void)
            }
            confirm()
        case .closing:
            guard isAppended else { return end(.void) }
            stage = isConfirmed ? .closed : .over(.done)
            return false
        default: return false
        }
        return writing.isIdle
    }

    private mutating func end(_ verdict: Verdict) -> Bool {
        stage = .over(verdict)
        return false
    }

    /// Whether what was read allows to go on; ends the step otherwise.
    private mutating func isSound() -> Bool {
        guard isMember || !rules.contains(.endWithTheRoster) else { return end(.void) }
        guard writing.gaps.isEmpty else { return end(.damaged(writing.gaps)) }
        guard !ledger.isKeeperInDoubt || !rules.contains(.relyOnlyOnWhatStands) else {
            return end(.suspended)
        }
        return true
    }

    /// Whether the root lets this keeper go on.
    private var isMember: Bool {
        guard let member = writing.roster.member(writing.member) else { return false }
        return member.revoked == nil && !member.isSuspended
    }

    private var isAppended: Bool {
        if case .appended = writing.outcome { true } else { false }
    }

    private var isStillOwn: Bool {
        writing.incarnation == incarnation || !rules.contains(.noticeForeignEntries)
    }

    private mutating func append(_ fill: (inout LogEntry) -> Void) {
        let standing = ledger.base
        // Its own, and those of steps that were broken off: a keeper does one at a time.
        var closed = Set(writing.log?.sessions.keys.map { $0 } ?? [])
        if let session { closed.insert(session) }
        session = nil
        writing.append(time: max(time, ledger.observed + 1)) { entry in
            entry.checkpoint = standing
            entry.closed = closed.sorted()
            fill(&entry)
        }
    }

    // MARK: condemning

    /// Announces that packs are going to be stored which other keepers may take for orphans.
    private mutating func open() {
        guard rules.contains(.openBeforeTidying) else {
            stage = .tidying
            return
        }
        stage = .opening
        let session = Identifier(incarnation.word1, (writing.memory.head?.sequence ?? 0) + 1)
        append { $0.opened = [session] }
        self.session = session
    }

    private func isNeeded(_ reference: ObjectReference) -> Bool {
        switch reference.kind {
        case .pack: marking.kept.contains(reference.digest)
        case .indexRun: ledger.runs[reference.digest] != nil
        case .pointBody: ledger.allPoints.values.contains { $0.body == reference.digest }
        }
    }

    private mutating func condemn() {
        let keeper = writing.incarnation
        let fresh = Set(tidying.packs)
        let bodies = Set(ledger.allPoints.values.map(\.body))
        var candidates = Set(ledger.packs.keys.map { ObjectReference(.pack, $0) })
        for reference in listed where !ledger.doomed.contains(reference) {
            switch reference.kind {
            case .pack: candidates.insert(reference)
            case .indexRun:
                if ledger.runs[reference.digest] == nil,
                    !ledger.replacedRuns.contains(reference.digest),
                    !tidying.runs.contains(reference.digest)
                {
                    candidates.insert(reference)
                }
            case .pointBody: if !bodies.contains(reference.digest) { candidates.insert(reference) }
            }
        }
        let emptied = Set(tidying.emptied)
        newlyCondemned = candidates.filter { reference in
            if ledger.condemned[reference]?[keeper] != nil { return false }
            guard reference.kind == .pack else { return true }
            if fresh.contains(reference.digest) { return false }
            return emptied.contains(reference.digest)
                || !marking.kept.contains(reference.digest)
        }.sorted()
        let isWorth =
            !newlyCondemned.isEmpty || !tidying.packs.isEmpty || !tidying.runs.isEmpty
            || tidying.sparse != nil
        guard isWorth else {
            stage = .relearning
            // Nothing new was said, so what was read still holds for what earlier steps condemned.
            if ledger.condemnations(by: keeper).isEmpty {
                finishDooming()
            } else {
                doom()
            }
            return
        }
        stage = .condemning
        let (condemned, tidying) = (newlyCondemned, tidying)
        append { entry in
            entry.condemned = condemned
            entry.packs = tidying.packs
            entry.emptied = tidying.emptied
            entry.runs = tidying.runs
            entry.replacedRuns = tidying.replacedRuns
            entry.sparse = tidying.sparse
        }
    }

    // MARK: dooming

    /// Decides on everything condemned that no session can rely on any more.
    private mutating func doom() {
        let keeper = writing.incarnation
        waitsFor = []
        released = []
        doomed = []
        for (sequence, references) in ledger.condemnations(by: keeper).sorted(by: {
            $0.key < $1.key
        }) {
            let ignorant = ledger.sessions(ignorantOf: .init(keeper, sequence))
            guard ignorant.isEmpty || !rules.contains(.waitForSessions) else {
                for session in ignorant where !waitsFor.contains(where: { $0.id == session.id }) {
                    waitsFor.append(session)
                }
                continue
            }
            for reference in references {
                if isNeeded(reference), rules.contains(.markAgain) {
                    released.append(reference)
                } else {
                    doomed.append(reference)
                }
            }
        }
        guard !released.isEmpty || !doomed.isEmpty else { return finishDooming() }
        stage = .dooming
        let (released, doomed) = (released.sorted(), doomed.sorted())
        append { entry in
            entry.released = released
            entry.doomed = doomed
        }
    }

    private mutating func finishDooming() { stage = .confirming }

    /// What can be deleted now: doomed objects, replaced runs, bodies of points that are forgotten
    /// for good.
    private var deletable: [ObjectReference] {
        var result = ledger.doomed.union(doomed)
        for run in ledger.replacedRuns where ledger.runs[run] == nil {
            result.insert(ObjectReference(.indexRun, run))
        }
        let roots = Set(ledger.roots(rules).map(\.body))
        for point in ledger.allPoints.values where !roots.contains(point.body) {
            result.insert(ObjectReference(.pointBody, point.body))
        }
        return result.sorted()
    }

    // MARK: summing up

    private mutating func propose(_ name: LogEntry.CheckpointName) {
        guard !ledger.isInDoubt || !rules.contains(.noCheckpointInDoubt) else {
            return close()
        }
        proposal = (
            name,
            ledger.checkpoint(
                repository: writing.repository, member: writing.member,
                incarnation: writing.incarnation, deleted: deletedNow,
                rules: rules)
        )
        fencesAtProposal = ledger.logs.mapValues(\.fencedBy)
        stage = .proposing
        append { entry in entry.proposal = name }
    }

    /// Stands by the proposal unless another keeper proposed one meanwhile, or fenced a log.
    private mutating func confirm() {
        let own = writing.incarnation
        let rivals = ledger.proposals.filter { $0.key != own }.values.map(\.ordinal)
        let standing = ledger.base?.ordinal ?? 0
        if let proposal, proposal.name.ordinal > max(rivals.max() ?? 0, standing) {
            isConfirmed = true
        }
        if rules.contains(.noCheckpointInDoubt) {
            let fences = ledger.logs.mapValues(\.fencedBy)
            for (incarnation, by) in fences where by != fencesAtProposal[incarnation] ?? [] {
                isConfirmed = false
            }
        }
        close()
    }

    private mutating func close() {
        stage = .closing
        let name = isConfirmed ? proposal?.name : nil
        append { entry in if let name { entry.checkpoint = name } }
    }
}
