public import LifeboatCore
public import LifeboatFormat

/// A member's hand on its own log, as a pure state machine: reads all logs, notices when the
/// log is not its own any more, and appends entries.
///
/// Do `action`, `take` the result, until `action` is `nil`. Source: formats/log.md.
public struct LogWriting: Sendable {
    /// What to do.
    public enum Action: Hashable, Sendable {
        case read(LogReading.Request)
        /// Keep this in the state directory, durably.
        case remember(HostMemory)
        case put(LogEntry)
    }

    /// What came of it.
    public enum Reply: Sendable {
        case read(LogReading.Reply)
        case remembered
        case put(PutResult)
    }

    /// What came of a put.
    public enum PutResult: Hashable, Sendable {
        case stored
        /// There is something under the name already.
        case taken
        /// No reply, or an error: it may be there, now or later.
        case unknown
    }

    /// What came of the last append.
    public enum Outcome: Hashable, Sendable {
        case appended(LogHead)
        /// Somebody else wrote to this log: whoever writes here must become a new incarnation.
        case displaced
    }

    /// Why a host cannot go on.
    public enum Refusal: Hashable, Sendable {
        /// The store shows an older state than this host remembers.
        case setBack(LogHead)
    }

    private enum Stage: Sendable {
        case idle
        case reading
        case adopting
        case noting
        case putting
        case resolving
        case keeping
    }

    public let member: Identifier
    public let domain: Identifier
    public let repository: Identifier
    public var roster: Roster
    private let rules: Rules
    private let shape: LogSearch.Shape
    private let identify: @Sendable (LogEntry) -> Digest
    public private(set) var memory: HostMemory
    private var stage = Stage.idle
    private var reading: LogReading?
    /// What the reading asks for, kept here so that nobody copies all that has been read.
    private var request: LogReading.Request?
    private var draft: LogEntry?
    /// What the checkpoint of the last reading says.
    private var foundation: Ledger?
    /// The state of all logs at the last reading.
    public private(set) var ledger = Ledger()
    public private(set) var gaps: [LogReading.Gap] = []
    public private(set) var outcome: Outcome?
    public private(set) var refusal: Refusal?
    /// Whether this run began a new incarnation, because the old one was not its own any more.
    public private(set) var isReborn = false

    /// `identify`: signs an entry as it will be stored, and says its id.
    public init(
        repository: Identifier, member: Identifier, domain: Identifier, roster: Roster,
        memory: HostMemory, rules: Rules = .all, shape: LogSearch.Shape = .standard,
        identify: @escaping @Sendable (LogEntry) -> Digest
    ) {
        self.repository = repository
        self.member = member
        self.domain = domain
        self.roster = roster
        self.memory = memory
        self.rules = rules
        self.shape = shape
        self.identify = identify
    }

    /// This host's log; meaningful once logs have been read.
    public var incarnation: Identifier { Incarnation.id(of: member, number: memory.number) }

    /// Its own log as it was read.
    public var log: Ledger.Log? { ledger.logs[incarnation] }

    /// Whether the last task is done.
    var isIdle: Bool {
        if case .idle = stage { true } else { false }
    }

    /// What to do next; `nil` when the last task is done.
    public var action: Action? {
        switch stage {
        case .idle: nil
        case .reading: request.map { .read($0) }
        case .adopting, .noting, .keeping: .remember(memory)
        case .putting: draft.map { .put($0) }
        case .resolving: draft.map { .read(.entry($0.incarnation, $0.sequence)) }
        }
    }

    /// Takes over what other processes of this host have written meanwhile.
    ///
    /// Returns whether this is still the same incarnation. While nothing is being done.
    public mutating func refresh(_ memory: HostMemory) -> Bool {
        let isSame = memory.number == self.memory.number
        self.memory = memory
        return isSame
    }

    // MARK: reading

    /// Begins to read all logs.
    public mutating func read() {
        reading = LogReading(
            roster: roster, seen: memory.seen, foundation: foundation, rules: rules, shape: shape)
        request = reading?.request
        stage = .reading
    }

    private mutating func finishReading() {
        guard let reading else { return }
        self.reading = nil
        roster = reading.roster
        ledger = reading.ledger
        foundation = reading.foundation
        // Behind the end of a log nothing exists that could be missing.
        gaps = reading.gaps.filter { gap in
            guard let log = ledger.logs[gap.incarnation], log.isEnded else { return true }
            return gap.sequence <= log.head.sequence
        }
        stage = .idle
        recogniseLog(reading)
        if refusal == nil {
            memory.note(ledger.heads)
            stage = .adopting
        }
    }

    /// Finds its place in its own log, or a new log where somebody else has written to it.
    private mutating func recogniseLog(_ reading: LogReading) {
        if memory.number == 0 { return beginIncarnation(reading) }
        // Where the root has ended a log, nobody reads on; and nobody appends.
        if rules.contains(.endWithTheRoster), roster.member(member)?.revoked != nil { return }
        let last = reading.entries[incarnation]?.last
        let covered = reading.base?.checkpoint.logs.first { $0.head.incarnation == incarnation }
        var end: LogHead? = last?.head
        if let covered, covered.head.sequence > end?.sequence ?? 0 { end = covered.head }
        if log?.fencedBy.isEmpty == false || log?.isEnded == true {
            isReborn = true
            return beginIncarnation(reading)
        }
        let known = memory.head?.sequence ?? 0
        if reading.gaps.contains(where: {
            $0.incarnation == incarnation && !$0.isMissing && $0.sequence >= max(known, 1)
        }) {
            // Its end is damaged: nothing can be put behind it.
            isReborn = true
            return beginIncarnation(reading)
        }
        guard let end, end.sequence >= known else {
            if known > 0, let head = memory.head { refusal = .setBack(head) }
            return
        }
        if end.sequence == known + 1, end.digest == memory.pending {
            memory.head = end
            memory.pending = nil
            return
        }
        let isOwn = end.sequence == known && end.digest == memory.head?.digest
        if isOwn || !rules.contains(.noticeForeignEntries) {
            memory.head = end
            return
        }
        isReborn = true
        beginIncarnation(reading)
    }

    private mutating func beginIncarnation(_ reading: LogReading) {
        let used = Set(ledger.logs.keys).union(reading.entries.keys)
        let numbers = used.compactMap { Incarnation.number(of: $0, member: member) }
        memory.number = max(numbers.max() ?? 0, memory.number) + 1
        memory.head = nil
        memory.pending = nil
    }

    // MARK: appending

    /// Begins to append an entry behind the last one.
    ///
    /// `time`: the member's clock, milliseconds.
    public mutating func append(time: UInt64, _ fill: (inout LogEntry) -> Void) {
        outcome = nil
        var entry = LogEntry(
            repository: repository, member: member, incarnation: incarnation,
            sequence: (memory.head?.sequence ?? 0) + 1, previous: memory.head?.digest ?? .zero,
            domain: domain, time: time)
        entry.heads = grownHeads()
        fill(&entry)
        draft = entry
        memory.pending = identify(entry)
        stage = .noting
    }

    /// How many writers' logs an entry tells of, so that entries stay small.
    static let headLimit = 16

    /// Logs that grew since this log last told of them: all of keepers, some of writers.
    private func grownHeads() -> [LogHead] {
        let knows = log?.knows ?? [:]
        var keepers: [LogHead] = []
        var writers: [(gap: UInt64, head: LogHead)] = []
        for (incarnation, other) in ledger.logs
        where incarnation != self.incarnation && other.head.sequence > knows[incarnation] ?? 0 {
            if other.isKeeper {
                keepers.append(other.head)
            } else {
                writers.append((other.head.sequence - (knows[incarnation] ?? 0), other.head))
            }
        }
        writers.sort {
            $0.gap != $1.gap ? $0.gap > $1.gap : $0.head.incarnation < $1.head.incarnation
        }
        let isKeeper = roster.member(member)?.role == .keeper
        let chosen = isKeeper ? writers[...] : writers.prefix(Self.headLimit)
        return (keepers + chosen.map(\.head)).sorted { $0.incarnation < $1.incarnation }
    }

    // MARK: replies

    public mutating func take(_ reply: Reply) {
        if case .reading = stage, case .read(let found) = reply {
            reading?.take(found)
            request = reading?.request
            if request == nil { finishReading() }
            return
        }
        switch (stage, reply) {
        case (.adopting, .remembered), (.keeping, .remembered): stage = .idle
        case (.noting, .remembered): stage = .putting
        case (.putting, .put(let result)):
            if result == .stored { finishAppending() } else { stage = .resolving }
        case (.resolving, .read(let found)): resolve(found)
        default: preconditionFailure("a reply that does not belong to the action")
        }
    }

    /// After a put whose result is not known: what stands under the name decides.
    private mutating func resolve(_ found: LogReading.Reply) {
        switch found {
        case .missing: stage = .putting
        case .entry(let verified) where verified.id == memory.pending: finishAppending()
        case .entry, .damaged, .checkpoint, .roster:
            outcome = .displaced
            stage = .idle
        }
    }

    private mutating func finishAppending() {
        guard let draft, let id = memory.pending else { return }
        memory.head = draft.head(id)
        memory.pending = nil
        memory.note([draft.head(id)])
        outcome = .appended(draft.head(id))
        stage = .keeping
    }
}
