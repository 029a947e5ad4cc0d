public import LifeboatCore
public import LifeboatFormat

/// Reads what is needed of all logs, as a pure state machine: keepers first, then writers, then
/// whether the roster has changed, or a keeper has summed up or fenced a log meanwhile.
///
/// Ask `request`, fetch it, `take` the reply, until `request` is `nil`. Source:
/// formats/collection.md, "Reading".
public struct LogReading: Sendable {
    /// What to fetch.
    public enum Request: Hashable, Sendable {
        case entry(Identifier, UInt64)
        case checkpoint(LogEntry.CheckpointName)
        /// The newest roster.
        case roster
    }

    /// What was found.
    public enum Reply: Sendable {
        case entry(VerifiedEntry)
        case checkpoint(Checkpoint)
        case roster(Roster)
        /// There is nothing under the name.
        case missing
        /// There is something, and it is not what it should be.
        case damaged

        var isThere: Bool { if case .missing = self { false } else { true } }
    }

    /// An entry that is missing or damaged, though later ones exist.
    public struct Gap: Hashable, Sendable {
        public var incarnation: Identifier
        public var sequence: UInt64
        public var isMissing: Bool
    }

    private enum Phase: Sendable {
        case searching, heads, base, keepers, writers, roster, checking, checkEntries, done
    }

    /// Who is a member; the newest when all has been read.
    public private(set) var roster: Roster
    private let rules: Rules
    private let shape: LogSearch.Shape
    /// How far each log reached when somebody looked earlier: what is missing before is a gap.
    private let reach: [Identifier: UInt64]
    private var phase = Phase.searching

    private struct KeeperLog: Sendable {
        let member: Identifier
        let number: UInt64
        var search: LogSearch
        /// The last entry that counts: the last there is, or where the root ended the log.
        var end: UInt64 = 0
    }

    private var keepers: [KeeperLog] = []
    private var pendingMembers: [Identifier] = []
    private var position = 0
    /// An entry of the keeper's log that is being searched, which was there once.
    private var remembered: UInt64?
    private var lookBack: UInt64 = 0
    /// Where keepers' logs ended, and those that a keeper would begin next.
    private var lookouts: [(incarnation: Identifier, end: UInt64, search: LogSearch)] = []
    private var headEntries: [Identifier: VerifiedEntry] = [:]
    public private(set) var base: (name: LogEntry.CheckpointName, checkpoint: Checkpoint)?
    /// What the checkpoint alone says.
    public private(set) var foundation: Ledger?
    private var unusable: Set<LogEntry.CheckpointName> = []
    private var queue: [(incarnation: Identifier, member: Identifier, isNew: Bool)] = []
    private var next: UInt64 = 1
    public private(set) var entries: [Identifier: [VerifiedEntry]] = [:]
    public private(set) var gaps: [Gap] = []
    /// Checkpoints that are missing or damaged.
    public private(set) var lostCheckpoints: [LogEntry.CheckpointName] = []
    /// How often reading began anew because of what happened meanwhile.
    public private(set) var restarts = 0

    /// - `seen`: heads that the reader remembers, which save questions and show gaps.
    /// - `foundation`: that of an earlier reading, which spares summing up the same checkpoint again.
    /// - `hints`: by writer's incarnation, entries that a listing tells of.
    public init(
        roster: Roster, seen: [LogHead], hints: [Identifier: UInt64] = [:],
        foundation: Ledger? = nil, rules: Rules = .all, shape: LogSearch.Shape = .standard
    ) {
        self.foundation = foundation
        self.roster = roster
        self.rules = rules
        self.shape = shape
        var reach = hints
        for head in seen {
            reach[head.incarnation] = max(reach[head.incarnation] ?? 0, head.sequence)
        }
        self.reach = reach
        begin()
    }

    private mutating func begin() {
        phase = .searching
        keepers = []
        headEntries = [:]
        base = nil
        entries = [:]
        gaps = []
        // What is found missing while somebody sums up may only have been replaced.
        unusable = []
        lostCheckpoints = []
        pendingMembers = roster.members.filter { $0.role == .keeper }.map(\.id).sorted()
        nextKeeper()
    }

    private mutating func nextKeeper() {
        guard let member = pendingMembers.first else {
            position = 0
            phase = .heads
            skipEmpty()
            return
        }
        let number = (keepers.last { $0.member == member }?.number ?? 0) + 1
        let known = reach[Incarnation.id(of: member, number: number)] ?? 0
        // What was there once may be gone: summed up, or set back with the whole repository.
        remembered = known > 0 ? known : nil
        keepers.append(
            KeeperLog(member: member, number: number, search: LogSearch(shape: shape)))
    }

    /// Where the root has ended a log; the greatest number if it has not.
    private func ordainedEnd(_ incarnation: Identifier, of member: Identifier) -> UInt64 {
        guard rules.contains(.endWithTheRoster), let heads = roster.member(member)?.revoked else {
            return .max
        }
        return heads.first { $0.incarnation == incarnation }?.sequence ?? 0
    }

    private func incarnation(_ index: Int) -> Identifier {
        Incarnation.id(of: keepers[index].member, number: keepers[index].number)
    }

    /// What to fetch next; `nil` when everything has been read.
    public var request: Request? {
        switch phase {
        case .searching:
            let last = keepers.count - 1
            return .entry(incarnation(last), remembered ?? keepers[last].search.question)
        case .heads:
            return .entry(incarnation(position), keepers[position].end - lookBack)
        case .base: return newest.map { .checkpoint($0) }
        case .keepers, .writers: return .entry(queue[0].incarnation, next)
        case .roster: return .roster
        case .checking:
            return .entry(lookouts[position].incarnation, lookouts[position].search.question)
        case .checkEntries: return .entry(lookouts[position].incarnation, next)
        case .done: return nil
        }
    }

    /// The checkpoint with the greatest ordinal that a keeper's last entry names.
    private var newest: LogEntry.CheckpointName? {
        headEntries.values.compactMap(\.entry.checkpoint).filter { !unusable.contains($0) }
            .max { ($0.ordinal, $0.digest) < ($1.ordinal, $1.digest) }
    }

    public mutating func take(_ reply: Reply) {
        switch phase {
        case .searching: takeSearch(reply)
        case .heads: takeHead(reply)
        case .base: takeBase(reply)
        case .keepers, .writers: takeEntry(reply)
        case .roster: takeRoster(reply)
        case .checking: takeCheck(reply)
        case .checkEntries: takeCheckEntry(reply)
        case .done: break
        }
    }

    private mutating func takeSearch(_ reply: Reply) {
        let last = keepers.count - 1
        if let known = remembered {
            remembered = nil
            if reply.isThere { keepers[last].search = LogSearch(from: known, shape: shape) }
            return
        }
        keepers[last].search.answer(reply.isThere)
        guard keepers[last].search.isDone else { return }
        if keepers[last].search.end == 0 {
            keepers.removeLast()
            pendingMembers.removeFirst()
        } else {
            keepers[last].end = min(
                keepers[last].search.end, ordainedEnd(incarnation(last), of: keepers[last].member))
        }
        nextKeeper()
    }

    /// How many entries before a damaged one are asked which checkpoint stands.
    private static let lookBackLimit: UInt64 = 16

    private mutating func takeHead(_ reply: Reply) {
        if case .entry(let verified) = reply {
            headEntries[incarnation(position)] = verified
        } else if lookBack < Self.lookBackLimit, lookBack + 1 < keepers[position].end,
            reply.isThere || !isEnded(keepers[position].member)
        {
            lookBack += 1
            return
        }
        lookBack = 0
        position += 1
        skipEmpty()
    }

    private mutating func skipEmpty() {
        while position < keepers.count, keepers[position].end == 0 { position += 1 }
        guard position >= keepers.count else { return }
        if newest == nil { beginEntries() } else { phase = .base }
    }

    private mutating func takeBase(_ reply: Reply) {
        guard let name = newest else { return beginEntries() }
        if case .checkpoint(let checkpoint) = reply {
            base = (name, checkpoint)
            if foundation?.base != name {
                foundation = Ledger(of: checkpoint, named: name, roster: roster)
            }
            beginEntries()
        } else {
            // An older one may still do; if not, entries turn out to be missing.
            unusable.insert(name)
            lostCheckpoints.append(name)
            if newest == nil { beginEntries() }
        }
    }

    private func cutoff(_ incarnation: Identifier) -> UInt64 {
        base?.checkpoint.logs.first { $0.head.incarnation == incarnation }?.head.sequence ?? 0
    }

    private mutating func beginEntries() {
        queue = keepers.indices.map { (incarnation($0), keepers[$0].member, false) }
        phase = .keepers
        nextLog()
    }

    private mutating func beginWriters() {
        phase = .writers
        var numbers: [Identifier: UInt64] = [:]
        for log in base?.checkpoint.logs ?? [] {
            let incarnation = log.head.incarnation
            guard let member = roster.member(log.member), member.role == .writer else { continue }
            let number = Incarnation.number(of: incarnation, member: log.member) ?? 0
            numbers[log.member] = max(numbers[log.member] ?? 0, number)
            if !log.isEnded { queue.append((incarnation, log.member, false)) }
        }
        for member in roster.members where member.role == .writer {
            let number = (numbers[member.id] ?? 0) + 1
            queue.append((Incarnation.id(of: member.id, number: number), member.id, true))
        }
        nextLog()
    }

    private mutating func nextLog() {
        guard let log = queue.first else {
            if phase == .keepers { return beginWriters() }
            if rules.contains(.readRosterAgain) {
                phase = .roster
            } else {
                beginChecking()
            }
            return
        }
        next = cutoff(log.incarnation) + 1
        if phase == .keepers { skipIfRead() }
    }

    /// A keeper's log whose end the checkpoint covers already.
    private mutating func skipIfRead() {
        while phase == .keepers, let log = queue.first, next > end(log.incarnation) {
            queue.removeFirst()
            nextLog()
        }
    }

    private func end(_ incarnation: Identifier) -> UInt64 {
        keepers.indices.first { self.incarnation($0) == incarnation }
            .map { keepers[$0].end } ?? 0
    }

    private mutating func takeEntry(_ reply: Reply) {
        let log = queue[0]
        let limit =
            phase == .keepers ? end(log.incarnation) : reach[log.incarnation] ?? 0
        switch reply {
        case .entry(let verified):
            entries[log.incarnation, default: []].append(verified)
        case .missing where next > limit:
            queue.removeFirst()
            if phase == .writers, log.isNew, entries[log.incarnation] != nil,
                let number = Incarnation.number(of: log.incarnation, member: log.member)
            {
                // A member that became a new incarnation may have done so again.
                queue.append((Incarnation.id(of: log.member, number: number + 1), log.member, true))
            }
            return nextLog()
        case .missing, .damaged, .checkpoint, .roster:
            gaps.append(
                Gap(incarnation: log.incarnation, sequence: next, isMissing: !reply.isThere))
        }
        next += 1
        if phase == .keepers { skipIfRead() }
    }

    private mutating func takeRoster(_ reply: Reply) {
        if case .roster(let newest) = reply, newest.number > roster.number {
            // A new member's log was not read; one that was ended may have been read too far.
            roster = newest
            return beginAgain()
        }
        beginChecking()
    }

    private mutating func beginAgain() {
        restarts += 1
        begin()
    }

    private mutating func beginChecking() {
        position = 0
        lookouts = keepers.indices.filter { !isEnded(keepers[$0].member) }.map {
            let end = keepers[$0].search.end
            return (incarnation($0), end, LogSearch(from: end, shape: shape))
        }
        for member in roster.members where member.role == .keeper && !isEnded(member.id) {
            let number = (keepers.last { $0.member == member.id }?.number ?? 0) + 1
            lookouts.append(
                (Incarnation.id(of: member.id, number: number), 0, LogSearch(shape: shape)))
        }
        phase = .checking
        if lookouts.isEmpty || !rules.contains(.readKeepersFirst) { phase = .done }
    }

    /// Whether nothing that a member still writes can count.
    private func isEnded(_ member: Identifier) -> Bool {
        rules.contains(.endWithTheRoster) && roster.member(member)?.revoked != nil
    }

    private mutating func takeCheck(_ reply: Reply) {
        lookouts[position].search.answer(reply.isThere)
        guard lookouts[position].search.isDone else { return }
        if lookouts[position].search.end > lookouts[position].end {
            next = lookouts[position].end + 1
            phase = .checkEntries
        } else {
            nextCheck()
        }
    }

    private mutating func nextCheck() {
        let log = lookouts[position]
        if log.end == 0, log.search.end > 0,
            let keeper = roster.members.first(where: {
                $0.role == .keeper && Incarnation.number(of: log.incarnation, member: $0.id) != nil
            }), let number = Incarnation.number(of: log.incarnation, member: keeper.id)
        {
            // A keeper that became a new incarnation meanwhile may have done so again.
            lookouts.append(
                (Incarnation.id(of: keeper.id, number: number + 1), 0, LogSearch(shape: shape)))
        }
        position += 1
        phase = position < lookouts.count ? .checking : .done
    }

    /// Looks at what a keeper has written meanwhile.
    ///
    /// After a checkpoint, entries that were to be read may be gone. After a fence, entries that
    /// were read may turn out to stand behind it.
    private mutating func takeCheckEntry(_ reply: Reply) {
        switch reply {
        case .missing: return beginAgain()
        case .entry(let verified):
            let name = verified.entry.checkpoint.flatMap { unusable.contains($0) ? nil : $0 }
            if name?.ordinal ?? 0 > base?.name.ordinal ?? 0 || !verified.entry.fenced.isEmpty {
                return beginAgain()
            }
        default: break
        }
        if next == lookouts[position].search.end {
            nextCheck()
        } else {
            next += 1
        }
    }
}

extension LogReading {
    /// What was read, summed up.
    public var ledger: Ledger {
        var ledger = base == nil ? Ledger() : foundation ?? Ledger()
        ledger.add(entries, roster: roster, rules: rules)
        return ledger
    }
}
