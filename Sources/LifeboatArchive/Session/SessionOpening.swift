public import LifeboatCore
public import LifeboatProtocol

/// The beginning of a session: what it may rely on, until it ends.
///
/// Ended by the session that is made of it, or by `end`.
public final class SessionOpening: Sendable {
    /// `nil` for a dry run, which announces nothing.
    let session: OpenSession?
    public let ledger: Ledger

    public var isDryRun: Bool { session == nil }

    /// Announces a session in this member's log, and reads what it may rely on.
    ///
    /// - Throws: `.refused` when the repository was set back or this host is fenced.
    public init(_ repository: Repository) throws(LifeboatError) {
        let session = try OpenSession(repository, try repository.requireMember())
        self.session = session
        ledger = session.ledger
    }

    /// For a dry run.
    public init(readingOnly log: LogView) {
        session = nil
        ledger = log.ledger
    }

    /// Lets the next session take over what this one leaves, if it leaves anything.
    public func end() {
        session?.journal.release()
        for (journal, _) in session?.abandoned ?? [] { journal.release() }
    }
}
