import LifeboatArchive
public import LifeboatCore
import LifeboatFormat
import LifeboatProtocol
import LifeboatSystem

extension Operations {
    /// Open sessions, oldest first; with `all`, also those of logs that were ended.
    public func sessions(all: Bool = false) throws(LifeboatError) -> [SessionSummary] {
        let repository = try openRepository()
        let log = try repository.readLog()
        warn(log.problems)
        return Self.sessions(log.ledger, repository).filter { all || !$0.isEnded }
    }

    /// Fences logs: what their sessions do does not count, and nobody waits for them.
    ///
    /// Hosts at work there begin a new log with their next run; no data is lost. Needs a keeper's
    /// keys.
    /// - Throws: `.refused` for keepers' logs.
    public func fence(_ selection: FenceSelection) throws(LifeboatError) -> [FencedLog] {
        let repository = try openRepository()
        _ = try repository.requireKeeper()
        let log = try repository.readLog()
        warn(log.problems)
        let sessions = Self.sessions(log.ledger, repository).filter { !$0.isEnded }
        var chosen: Set<Identifier> = []
        switch selection {
        case .olderThan(let age):
            let now = Clock.milliseconds()
            for session in sessions where now >= session.since && now - session.since >= age {
                chosen.insert(session.incarnation)
            }
        case .named(let texts):
            for text in texts {
                chosen.formUnion(try incarnations(text, sessions, log.ledger, repository))
            }
        }
        guard !chosen.isEmpty else { return [] }
        return try repository.fence(chosen.sorted()).map { end in
            let member = log.ledger.logs[end.incarnation]?.member ?? end.incarnation
            return FencedLog(
                incarnation: end.incarnation, member: member,
                label: repository.roster.member(member).flatMap { repository.label(of: $0) },
                sequence: end.sequence,
                sessions: sessions.filter { $0.incarnation == end.incarnation }.map(\.session))
        }
    }

    /// The logs that a session, an incarnation or a member stands for.
    private func incarnations(
        _ text: String, _ sessions: [SessionSummary], _ ledger: Ledger, _ repository: Repository
    ) throws(LifeboatError) -> [Identifier] {
        let prefix = text.lowercased()
        func fits(_ id: Identifier) -> Bool { id.hex.hasPrefix(prefix) }
        guard prefix.count >= 4 else {
            throw LifeboatError(
                .missing, "there is no such session or writer", subject: text,
                advice: "give at least four digits; see: lifeboat session list")
        }
        let named = sessions.filter { fits($0.session) }
        let logs = ledger.logs.filter { fits($0.key) || fits($0.value.member) }
        let members = Set(logs.values.map(\.member))
        guard named.count + members.count <= 1 else {
            throw LifeboatError(
                .refused, "several sessions or writers begin like this", subject: text,
                advice: "give more digits")
        }
        if let session = named.first { return [session.incarnation] }
        guard !logs.isEmpty else {
            throw LifeboatError(
                .missing, "there is no such session or writer", subject: text,
                advice: "see: lifeboat session list")
        }
        guard !logs.values.contains(where: \.isKeeper) else {
            throw LifeboatError(
                .refused, "the log of a keeper cannot be fenced", subject: text,
                advice: "if the keeper is not to be trusted: lifeboat key revoke")
        }
        let open = logs.filter { !$0.value.isEnded }.keys
        guard !open.isEmpty else {
            throw LifeboatError(
                .refused, "the log was fenced already, or its writer revoked", subject: text)
        }
        return Array(open)
    }

    /// All sessions that are not closed, oldest first.
    static func sessions(_ ledger: Ledger, _ repository: Repository) -> [SessionSummary] {
        let keepers = ledger.logs.filter(\.value.isKeeper).keys
        let condemnations = keepers.flatMap { keeper in
            ledger.condemnations(by: keeper).map { sequence, references in
                (mark: Checkpoint.Mark(keeper, sequence), references: references)
            }
        }
        let forgotten = ledger.allPoints.values.compactMap(\.forgotten)
        var result: [SessionSummary] = []
        for (incarnation, log) in ledger.logs where !log.isKeeper {
            let label = repository.roster.member(log.member).flatMap { repository.label(of: $0) }
            for (id, session) in log.sessions {
                func isIgnorant(of mark: Checkpoint.Mark) -> Bool {
                    !log.isEnded && session.knows[mark.incarnation] ?? 0 < mark.sequence
                }
                // Two keepers may condemn the same object.
                let objects = condemnations.filter { isIgnorant(of: $0.mark) }
                    .reduce(into: Set<ObjectReference>()) { $0.formUnion($1.references) }
                result.append(
                    SessionSummary(
                        session: id, member: log.member, label: label, incarnation: incarnation,
                        since: session.time, isEnded: log.isEnded,
                        condemnedObjects: objects.count,
                        forgottenPoints: forgotten.count { isIgnorant(of: $0) }))
            }
        }
        return result.sorted { ($0.since, $0.session) < ($1.since, $1.session) }
    }
}
