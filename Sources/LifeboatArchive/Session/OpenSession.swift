import LifeboatCore
import LifeboatFormat
import LifeboatProtocol
import LifeboatSystem

/// A session that its log announces: what it relies on stays until it ends.
///
/// Used by one thread at a time.
final class OpenSession: @unchecked Sendable {
    private let driver: LogDriver
    private var session: SessionProtocol
    /// The session's journal, locked for as long as it lives.
    let journal: SessionJournal
    /// What dead sessions of this log have stored, and their journals.
    private(set) var abandoned: [(journal: SessionJournal, packs: [Digest])]

    private static let attempts = 8

    var ledger: Ledger { session.ledger }
    /// Bytes of log entries that were put.
    var byteCount: Int { driver.byteCount }

    /// Opens a session.
    ///
    /// - Throws: `.refused` when the repository was set back, or somebody fences this writer.
    init(_ repository: Repository, _ member: WriterKeys) throws(LifeboatError) {
        driver = LogDriver(repository, member)
        let lock = try driver.lock()
        defer { lock.unlock() }
        journal = try SessionJournal(repository.directories)
        let dead = try SessionJournal.abandoned(repository.directories)
        let alive = try SessionJournal.all(repository.directories)
            .subtracting(dead.map(\.journal.session))
        session = try Self.begin(driver, journal, alive)
        abandoned = []
        do throws(LifeboatError) {
            try Self.run(&session, driver) { opening throws(LifeboatError) in
                try Self.inherit(opening, dead, journal)
            }
            // Nothing hangs on a session that has only just been opened: another host with this
            // member's keys came first, and this one begins a log of its own.
            for _ in 0..<Self.attempts where session.stage == .over(.void) {
                try journal.clear()
                session = try Self.begin(driver, journal, alive)
                try Self.run(&session, driver) { opening throws(LifeboatError) in
                    try Self.inherit(opening, dead, journal)
                }
            }
            guard case .working = session.stage else { throw Self.error(session.stage) }
            for (journal, packs) in dead {
                guard session.adoptable.contains(journal.session) else {
                    // What it stored may have been deleted meanwhile.
                    try journal.remove()
                    continue
                }
                abandoned.append((journal, packs.filter(session.canAdopt)))
            }
        } catch {
            for (journal, _) in dead { journal.release() }
            // The entry that ends them may stand: then this journal is what the next session has.
            if journal.isEmpty { try? journal.remove() } else { journal.release() }
            throw error
        }
    }

    private static func begin(
        _ driver: LogDriver, _ journal: SessionJournal, _ alive: Set<Identifier>
    ) throws(LifeboatError) -> SessionProtocol {
        SessionProtocol(
            journal.session, writing: try driver.writing(), alive: alive,
            time: Clock.milliseconds())
    }

    /// Notes what dead sessions have stored as this session's, before the entry that ends them is put.
    ///
    /// From that entry on this session keeps it from being deleted: a later one must know of it
    /// even if this one dies at once. What is condemned by now it does not keep.
    private static func inherit(
        _ session: SessionProtocol, _ dead: [(journal: SessionJournal, packs: [Digest])],
        _ journal: SessionJournal
    ) throws(LifeboatError) {
        for (old, packs) in dead where session.adoptable.contains(old.session) {
            try journal.note(packs.filter { !session.wasCondemned($0) })
        }
    }

    private static func run(
        _ session: inout SessionProtocol, _ driver: LogDriver,
        beforeOpening: (SessionProtocol) throws(LifeboatError) -> Void = { _ in }
    ) throws(LifeboatError) {
        var isOpening = false
        while let action = session.action {
            if session.stage == .opening, !isOpening {
                isOpening = true
                try beforeOpening(session)
            }
            session.take(try driver.perform(action, roster: session.writing.roster))
        }
    }

    private static func error(_ stage: SessionProtocol.Stage) -> LifeboatError {
        if case .over(.refused(let refusal)) = stage { return LogDriver.error(refusal) }
        return LifeboatError(
            .refused, "a keeper has fenced this host's session, or another host writes to its log",
            advice: "run the backup again; it begins a new log, and nothing stored is lost")
    }

    /// Adds the session's entry, closes the session, and makes sure that it counts.
    ///
    /// `time`: what the entry claims, milliseconds since 1970; now where it is `nil`.
    /// - Throws: `.refused` when it does not.
    func commit(
        time: UInt64? = nil, _ fill: (inout LogEntry) -> Void
    ) throws(LifeboatError) -> VerifiedEntry {
        let lock = try driver.lock()
        defer { lock.unlock() }
        let repository = driver.repository
        let memory = try HostMemoryFile.load(
            repository.directories, member: driver.member.writer)
        var entry: LogEntry?
        session.commit(time: time ?? Clock.milliseconds(), memory: memory) { draft in
            fill(&draft)
            entry = draft
        }
        try Self.run(&session, driver)
        guard case .over(.counted(let head)) = session.stage, let entry else {
            throw Self.error(session.stage)
        }
        return VerifiedEntry(id: head.digest, entry: entry)
    }

    /// Ends a session that stored nothing.
    func close() {
        guard case .working = session.stage else { return }
        _ = try? commit { _ in }
        try? journal.remove()
    }
}
