import LifeboatCodec
public import LifeboatCore
public import LifeboatFormat
public import LifeboatProtocol
import LifeboatSystem

extension Repository {
    /// Appends one entry to this member's log with what `decide` makes of all logs.
    ///
    /// `decide` returns what to fill the entry with, or `nil` for nothing to say; a keeper's entry
    /// also notes that the keeper has seen all logs. Returns the entry's head, `nil` for none.
    /// - Throws: `.refused` when the repository was set back, or another host wrote to this log.
    public func keep(
        _ decide: (Ledger) throws(LifeboatError) -> ((inout LogEntry) -> Void)?
    ) throws(LifeboatError) -> LogHead? {
        let driver = LogDriver(self, try requireMember())
        let lock = try driver.lock()
        defer { lock.unlock() }
        var keeping = KeepingProtocol(writing: try driver.writing(), time: Clock.milliseconds())
        while keeping.verdict == nil {
            if let action = keeping.action {
                keeping.take(try driver.perform(action, roster: keeping.writing.roster))
            } else if keeping.isReady {
                keeping.decide(try decide(keeping.writing.ledger))
            }
        }
        switch keeping.verdict {
        case .appended(let head): return head
        case .refused(let refusal): throw LogDriver.error(refusal)
        case .void: throw LogDriver.displaced
        case .nothing, nil: return nil
        }
    }

    /// Fences writers' logs: what they write from now on does not count.
    ///
    /// Returns where the logs end.
    public func fence(_ incarnations: [Identifier]) throws(LifeboatError) -> [LogHead] {
        let driver = LogDriver(self, try requireKeeper())
        let lock = try driver.lock()
        defer { lock.unlock() }
        var fence = FenceProtocol(
            incarnations, writing: try driver.writing(), time: Clock.milliseconds())
        while let action = fence.action {
            fence.take(try driver.perform(action, roster: fence.writing.roster))
        }
        switch fence.verdict {
        case .fenced(let ends): return ends
        case .refused(let refusal): throw LogDriver.error(refusal)
        case .void, nil: throw LogDriver.displaced
        }
    }

    /// Tags of a point, sealed for a log entry.
    ///
    /// - Throws: `.wrongKey` when the secret of the point's domain is not at hand.
    public func tagEdit(
        _ tags: [String: String], of point: Ledger.Point
    ) throws(LifeboatError) -> LogEntry.TagEdit {
        guard let domain = domains[point.domain] else {
            throw LifeboatError(
                .wrongKey, "the point belongs to a domain whose secret is not at hand",
                subject: point.id.hex)
        }
        return .init(
            point: point.id, sealed: PointSealing.seal(tags: tags, of: point.id, domain: domain))
    }
}
