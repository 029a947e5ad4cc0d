public import LifeboatCore
public import LifeboatFormat
public import LifeboatProtocol
import LifeboatStore

/// All logs of a repository as they stood when they were read, and what is wrong with them.
public struct LogView: Sendable {
    /// What the logs say together.
    public let ledger: Ledger
    /// Entries behind the checkpoint, by log.
    public let recent: [Identifier: [VerifiedEntry]]
    /// What is missing or damaged; everything else can be relied on.
    public let problems: [LifeboatError]
    /// Those of `problems` that concern keepers' logs and checkpoints.
    public let keeperProblems: [LifeboatError]
    /// When the checkpoint that all this is built on was made, by its keeper's clock; `nil` without.
    public let checkpointTime: UInt64?
    /// Where that checkpoint saw each log end.
    public let checkpointHeads: [Identifier: LogHead]
    /// What of the logs a replica has whole; `nil` for what is no replica.
    public let view: ReplicaView?

    /// The last entry of each log.
    public var heads: [LogHead] { ledger.heads }

    /// All recent entries, log by log.
    public var entries: [VerifiedEntry] { recent.keys.sorted().flatMap { recent[$0] ?? [] } }

    /// Index runs that are named and not replaced.
    var liveRuns: Set<Digest> { Set(ledger.runs.keys) }

    /// Every pack that is named, and not deleted.
    public var packs: Set<Digest> { Set(ledger.packs.keys) }

    init(
        _ reading: LogReading, ledger: Ledger, remembered: [LogHead], fetcher: LogFetcher,
        sight: ReplicaSight = .whole, further: [LogHead] = []
    ) {
        view = sight.view
        var ledger = ledger
        if let view { ledger.leaveOut(points: view.absentPoints, packs: view.absentPacks) }
        self.ledger = ledger
        recent = reading.entries
        checkpointTime = reading.base?.checkpoint.observed
        checkpointHeads = Dictionary(
            (reading.base?.checkpoint.logs ?? []).map { ($0.head.incarnation, $0.head) }
        ) { first, _ in first }
        var log = LogChecks(reading, ledger)
        log.noteGaps(fetcher)
        log.checkChains()
        log.compare(remembered, rememberedBy: "this host")
        log.compare(further, rememberedBy: "its replica")
        log.compare(sight.view?.heads ?? [], rememberedBy: "the replica itself")
        if case .unknown(let fault) = sight { log.add(fault) }
        for verified in reading.entries.keys.sorted().flatMap({ reading.entries[$0] ?? [] }) {
            log.compare(
                verified.entry.heads, rememberedBy: "log \(verified.entry.incarnation)")
        }
        let problems = log.problems
        self.problems = problems
        let keepers = Set(ledger.logs.filter(\.value.isKeeper).map(\.key))
        keeperProblems = problems.filter { problem in
            let parts = problem.subject?.split(separator: "/") ?? []
            guard parts.count >= 2 else { return false }
            return parts[0] + "/" == ObjectNames.checkpointsPrefix
                || parts[0] + "/" == ObjectNames.logPrefix
                    && Identifier(hex: parts[1]).map { id in
                        keepers.contains(id)
                            || reading.roster.members.contains {
                                $0.role == .keeper
                                    && Incarnation.number(of: id, member: $0.id) != nil
                            }
                    } == true
        }
    }
}

/// Looks for what is wrong with logs that were read.
private struct LogChecks {
    private let reading: LogReading
    private let ledger: Ledger
    private let covered: [Identifier: LogHead]
    private(set) var problems: [LifeboatError] = []
    private var told: Set<String> = []

    init(_ reading: LogReading, _ ledger: Ledger) {
        self.reading = reading
        self.ledger = ledger
        covered = Dictionary(
            (reading.base?.checkpoint.logs ?? []).map { ($0.head.incarnation, $0.head) }
        ) { first, _ in first }
    }

    mutating func add(_ error: LifeboatError) {
        if told.insert(error.subject ?? error.message).inserted { problems.append(error) }
    }

    mutating func noteGaps(_ fetcher: LogFetcher) {
        for name in reading.lostCheckpoints {
            let object = ObjectNames.checkpoint(name)
            add(
                fetcher.fault(object)
                    ?? LifeboatError(
                        .damaged, "the checkpoint is missing", subject: object.path,
                        advice: "take it from another copy of the repository"))
        }
        for gap in reading.gaps {
            let name = ObjectNames.logEntry(gap.incarnation, gap.sequence)
            let missing = LifeboatError(
                .damaged, "the log entry is missing, and with it its point", subject: name.path,
                advice: "take it from another copy of the repository")
            add(gap.isMissing ? missing : fetcher.fault(name) ?? missing)
        }
    }

    mutating func checkChains() {
        for incarnation in reading.entries.keys.sorted() {
            var expected: Digest? = covered[incarnation]?.digest ?? .zero
            var next = (covered[incarnation]?.sequence ?? 0) + 1
            for verified in reading.entries[incarnation] ?? [] {
                if verified.entry.sequence != next { expected = nil }
                if let expected, verified.entry.previous != expected {
                    add(
                        LifeboatError(
                            .damaged, "the log entry does not follow the one before it",
                            subject: ObjectNames.logEntry(incarnation, verified.entry.sequence).path
                        ))
                }
                expected = verified.id
                next = verified.entry.sequence + 1
            }
        }
    }

    mutating func compare(_ heads: [LogHead], rememberedBy who: String) {
        for head in heads {
            let base = covered[head.incarnation]
            // What a keeper summed up stands by the keeper's word.
            if let base, base.sequence > head.sequence { continue }
            let name = ObjectNames.logEntry(head.incarnation, head.sequence)
            let found =
                base?.sequence == head.sequence
                ? base?.digest : entry(head.incarnation, head.sequence)?.id
            if let found, found != head.digest {
                add(
                    LifeboatError(
                        .damaged, "the log entry is not the one that \(who) remembers",
                        subject: name.path,
                        advice: "the repository was set back or exchanged; use another copy"))
            } else if found == nil, ledger.logs[head.incarnation]?.isEnded != true {
                add(
                    LifeboatError(
                        .damaged, "the log ends before the entry that \(who) remembers",
                        subject: name.path,
                        advice: "the repository was set back, or points were removed"))
            }
        }
    }

    private func entry(_ incarnation: Identifier, _ sequence: UInt64) -> VerifiedEntry? {
        guard let entries = reading.entries[incarnation], let first = entries.first else {
            return nil
        }
        let guess = Int(clamping: sequence) - Int(clamping: first.entry.sequence)
        if entries.indices.contains(guess), entries[guess].entry.sequence == sequence {
            return entries[guess]
        }
        return entries.first { $0.entry.sequence == sequence }
    }
}

extension Repository {
    /// Reads the logs, compared with the heads that this host remembers.
    public func readLog() throws(LifeboatError) -> LogView { try readLog(comparing: []) }

    /// `further`: heads that a replica has, which must be there too.
    func readLog(comparing further: [LogHead]) throws(LifeboatError) -> LogView {
        guard isReplica else { return try readLog(.whole, comparing: further) }
        var sight = try ReplicaSight(store)
        while true {
            let log = try readLog(sight, comparing: further)
            // What an older view needs is deleted once a newer one stands.
            let newer = try ReplicaSight(store)
            if newer == sight { return log }
            sight = newer
        }
    }

    private func readLog(
        _ sight: ReplicaSight, comparing further: [LogHead]
    ) throws(LifeboatError) -> LogView {
        let roster = try freshRoster()
        let remembered = HostMemoryFile.heads(directories)
        var hints: [Identifier: UInt64] = [:]
        if sight == .whole { hints = try listedEnds(roster) }
        let limits = sight.limits
        var reading = LogReading(
            roster: roster, seen: sight.view?.heads ?? remembered + further, hints: hints)
        while let request = reading.request {
            if let limits, case .entry(let log, let sequence) = request,
                sequence > limits[log] ?? 0
            {
                reading.take(.missing)
            } else {
                reading.take(try fetcher.fetch(request, self, roster))
            }
        }
        let ledger = reading.ledger
        try HostMemoryFile.save(ledger.heads, directories)
        return LogView(
            reading, ledger: ledger, remembered: remembered, fetcher: fetcher, sight: sight,
            further: further)
    }
}

extension Repository {
    /// How far writers' logs reach by a listing, which shows what is missing in between.
    private func listedEnds(_ roster: Roster) throws(LifeboatError) -> [Identifier: UInt64] {
        let keepers = roster.members.filter { $0.role == .keeper }
        var listed: [Identifier: Set<UInt64>] = [:]
        try store.list(ObjectNames.logPrefix) { name, _ throws(LifeboatError) in
            let parts = name.path.split(separator: "/")
            guard parts.count == 3, let incarnation = Identifier(hex: parts[1]),
                let sequence = UInt64(parts[2])
            else { return }
            listed[incarnation, default: []].insert(sequence)
        }
        fetcher.fetchAhead(listed, self, roster)
        let ends = listed.compactMapValues { $0.max() }
        // Of keepers' logs entries are deleted in between: their ends are found by asking only.
        return ends.filter { incarnation, _ in
            !keepers.contains { Incarnation.number(of: incarnation, member: $0.id) != nil }
        }
    }
}
