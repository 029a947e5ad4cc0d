public import LifeboatCore
public import LifeboatProtocol

/// The beginning of a session: what it may rely on, until it ends.
///
/// Ended by the session that is made of it, or by `end`.
public final class SessionOpening: Sendable {
    /// `nil` for a dry run, which announces nothing.
    let session: OpenSession?
    public let ledger: Ledger

    /// Whether nothing may be stored.
    public let isDryRun: Bool

    /// Announces a session in this member's log, and reads what it may rely on.
    ///
    /// - Throws: `.refused` when the repository was set back or this host is fenced.
    public init(_ repository: Repository) throws(LifeboatError) {
        let session = try OpenSession(repository, try repository.requireMember())
        self.session = session
        ledger = session.ledger
        isDryRun = false
    }

    /// For a dry run.
    public init(readingOnly log: LogView) {
        session = nil
        ledger = log.ledger
        isDryRun = true
    }

    /// For a keeper, which looks again at all that it relies on before it deletes anything.
    init(keeper ledger: Ledger) {
        session = nil
        self.ledger = ledger
        isDryRun = false
    }

    /// For a backup into a spool, which relies on its base and on the spool alone.
    init(spooling ledger: Ledger) {
        session = nil
        self.ledger = ledger
        isDryRun = false
    }

    /// Lets the next session take over what this one leaves, if it leaves anything.
    public func end() {
        session?.journal.release()
        for (journal, _) in session?.abandoned ?? [] { journal.release() }
    }
}
