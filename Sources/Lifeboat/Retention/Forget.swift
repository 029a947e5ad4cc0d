import LifeboatArchive
public import LifeboatCore
import LifeboatFormat
import LifeboatProtocol
import LifeboatSystem

extension Operations {
    /// Forgets points: those that are named, or those that a policy does not keep.
    ///
    /// They are gone from every list at once; `prune` frees what only they needed. Needs a keeper's
    /// keys unless it is a dry run.
    /// - Throws: `.refused` when a point that was named may not be forgotten; then none is.
    public func forget(_ options: ForgetOptions) throws(LifeboatError) -> ForgetResult {
        // So many with one entry, so that entries stay small.
        try forget(options, batchLimit: 10_000)
    }

    func forget(
        _ options: ForgetOptions, batchLimit: Int
    ) throws(LifeboatError) -> ForgetResult {
        let repository = try openRepository()
        if !options.isDryRun { _ = try repository.requireKeeper() }
        let log = try repository.readLog()
        warn(log.problems)
        let foreign = log.ledger.points.count { repository.domains[$0.domain] == nil }
        if foreign > 0 {
            events.tell(
                .warning(
                    "\(foreign) points belong to domains whose secrets are not at hand, and stay; "
                        + "a keeper that is enrolled now gets all secrets"))
        }
        var forgetting = Forgetting(repository, options, batchLimit: batchLimit)
        var entries = 0
        if options.isDryRun {
            try forgetting.plan(log.ledger)
            warn(forgetting.problems)
            if let refusal = forgetting.refusal { throw refusal }
            return ForgetResult(points: forgetting.decisions, entries: 0)
        }
        var decisions: [ForgetDecision]?
        repeat {
            let head = try repository.keep { ledger throws(LifeboatError) in
                try forgetting.plan(ledger)
                return forgetting.entry(ledger)
            }
            if decisions == nil {
                warn(forgetting.problems)
                decisions = forgetting.decisions
            }
            if let refusal = forgetting.refusal { throw refusal }
            if head != nil, forgetting.batchCount > 0 { entries += 1 }
            try cancellation.check()
        } while forgetting.hasMore
        return ForgetResult(points: decisions ?? [], entries: entries)
    }
}

/// Decides what to forget; anew for each entry, for others may be at work.
private struct Forgetting {
    private let repository: Repository
    private let options: ForgetOptions
    private let batchLimit: Int
    /// The points that were named, once they are found.
    private var named: Set<Digest>?
    private(set) var decisions: [ForgetDecision] = []
    private(set) var refusal: LifeboatError?
    private(set) var problems: [LifeboatError] = []
    private var batch: [Digest] = []

    init(_ repository: Repository, _ options: ForgetOptions, batchLimit: Int) {
        self.repository = repository
        self.options = options
        self.batchLimit = batchLimit
    }

    var batchCount: Int { batch.count }
    var hasMore: Bool { decisions.count(where: \.isForgotten) > batch.count }

    mutating func plan(_ ledger: Ledger) throws(LifeboatError) {
        let catalog = try PointCatalog(repository, ledger: ledger)
        problems = catalog.problems
        let now = Clock.milliseconds()
        switch options.selection {
        case .points(let texts): try plan(texts, catalog, ledger, now)
        case .policy(let policy, let grouping):
            let points = catalog.points.filter { options.filter.accepts($0) }
            let candidates = points.map { candidate($0, ledger, now, tags: grouping.tags) }
            let reasons = policy.reasons(candidates, now: now)
            decisions = zip(points, candidates).map { point, candidate in
                let reasons = reasons[point.id] ?? []
                return decision(
                    point, candidate, tags: grouping.tags, isForgotten: reasons.isEmpty, reasons)
            }
        }
        decisions.sort {
            ($0.machine, $0.group.values.sorted().joined(separator: "\n"), $0.time, $0.id)
                < ($1.machine, $1.group.values.sorted().joined(separator: "\n"), $1.time, $1.id)
        }
        batch =
            refusal == nil
            ? Array(decisions.filter(\.isForgotten).map(\.id).prefix(batchLimit)) : []
    }

    /// What goes into the log; `nil` for nothing.
    ///
    /// An entry that forgets nothing notes that the keeper has seen the newest points: only from
    /// then on do they grow old.
    func entry(_ ledger: Ledger) -> ((inout LogEntry) -> Void)? {
        guard !batch.isEmpty || ledger.points.contains(where: { $0.seen == 0 }) else { return nil }
        let batch = batch
        return { $0.forgotten = batch }
    }

    // MARK: points that are named

    private mutating func plan(
        _ texts: [String], _ catalog: PointCatalog, _ ledger: Ledger, _ now: UInt64
    ) throws(LifeboatError) {
        if named == nil {
            var found: Set<Digest> = []
            for text in texts { found.insert(try find(text, catalog, ledger)) }
            named = found
        }
        let named = named ?? []
        let candidates = catalog.points.map { candidate($0, ledger, now, tags: []) }
        var reasons = RetentionPolicy.protections(candidates, now: now)
        decisions = []
        for (point, candidate) in zip(catalog.points, candidates) where named.contains(point.id) {
            decisions.append(
                decision(
                    point, candidate, tags: [], isForgotten: true, reasons[point.id] ?? []))
        }
        for record in unreadable(catalog, ledger) where named.contains(record.id) {
            let candidate = candidate(record, group: [record.id.hex], isGood: false, ledger, now)
            // Nothing can be restored from it: it is nobody's last good point.
            let protections = RetentionPolicy.protections([candidate], now: now)[record.id] ?? []
            reasons[record.id] = protections.filter { $0 != .newest }
            decisions.append(
                ForgetDecision(
                    id: record.id, machine: "", time: candidate.time, group: [:],
                    isForgotten: true, reasons: reasons[record.id] ?? []))
        }
        let protected = decisions.filter { !$0.reasons.isEmpty }
        refusal = protected.isEmpty ? nil : Self.refusal(protected, of: decisions.count)
    }

    private func find(
        _ text: String, _ catalog: PointCatalog, _ ledger: Ledger
    ) throws(LifeboatError) -> Digest {
        let prefix = text.lowercased()
        let unreadable = unreadable(catalog, ledger).filter { $0.id.hex.hasPrefix(prefix) }
        let readable = catalog.points.filter { $0.id.hex.hasPrefix(prefix) }
        if prefix.count >= 4, unreadable.count == 1, readable.isEmpty { return unreadable[0].id }
        return try catalog.find(text) { options.filter.accepts($0) }.id
    }

    /// Points whose body is missing or damaged.
    private func unreadable(_ catalog: PointCatalog, _ ledger: Ledger) -> [Ledger.Point] {
        let readable = Set(catalog.points.map(\.id))
        return ledger.points.filter {
            !readable.contains($0.id) && repository.domains[$0.domain] != nil
        }
    }

    private static func refusal(_ points: [ForgetDecision], of count: Int) -> LifeboatError {
        let why = points.map { point in
            "\(point.id.short) (\(point.reasons.map(\.text).joined(separator: ", ")))"
        }
        var advice = "leave them out, and forget the others"
        if points.contains(where: { $0.reasons.contains(.held) }) {
            advice = "see: lifeboat release; or leave them out"
        }
        return LifeboatError(
            .refused,
            "nothing is forgotten, for \(points.count) of \(count) points must stay: "
                + why.joined(separator: ", "), advice: advice)
    }

    // MARK: what a policy looks at

    private func candidate(
        _ point: Point, _ ledger: Ledger, _ now: UInt64, tags: [String]
    ) -> RetentionPolicy.Candidate {
        candidate(
            point.record,
            group: [point.record.domain.hex, point.body.machine]
                + tags.map { name in point.tags[name].map { "=" + $0 } ?? "" },
            isGood: point.isGood, ledger, now)
    }

    private func candidate(
        _ record: Ledger.Point, group: [String], isGood: Bool, _ ledger: Ledger, _ now: UInt64
    ) -> RetentionPolicy.Candidate {
        let seen = record.seen == 0 ? now : record.seen
        let (from, overflows) = seen.addingReportingOverflow(
            repository.configuration.minimumAge)
        return .init(
            id: record.id, group: group, time: ledger.time(of: record, now: now), isGood: isGood,
            isHeld: record.isHeld, forgettableFrom: overflows ? .max : from)
    }

    private func decision(
        _ point: Point, _ candidate: RetentionPolicy.Candidate, tags: [String], isForgotten: Bool,
        _ reasons: [RetentionReason]
    ) -> ForgetDecision {
        var group: [String: String] = [:]
        for name in tags { group[name] = point.tags[name] }
        return ForgetDecision(
            id: point.id, machine: point.body.machine, time: candidate.time, group: group,
            isForgotten: isForgotten, reasons: reasons)
    }
}

extension Point {
    /// Whether it is as good as was asked for: consistent, and nothing went otherwise.
    var isGood: Bool {
        body.consistency != .none && body.volumes.allSatisfy(\.warnings.isEmpty)
    }
}
