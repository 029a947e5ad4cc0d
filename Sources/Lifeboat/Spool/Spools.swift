import LifeboatArchive
public import LifeboatCore
import LifeboatFormat
import LifeboatStore
import LifeboatSystem

extension Operations {
    /// What waits in the spool of the repository that `access` names; needs no key.
    public func spooledPoints() throws(LifeboatError) -> SpoolSummary {
        try summary(try requireSpool())
    }

    /// What waits in the spool at a place.
    static func spooledPoints(_ settings: SpoolSettings) throws(LifeboatError) -> SpoolSummary {
        try summary(settings)
    }

    /// Sends what waits in the spool.
    ///
    /// - Throws: `.suspended`, `.unavailable` and the like as any use of the store; what was sent
    ///   until then stays sent.
    public func sendSpool() throws(LifeboatError) -> SpoolSendResult {
        let start = Clock.monotonicSeconds()
        let settings = try requireSpool()
        let spool = Spool(path: settings.directory, limit: settings.size)
        let repository = try openRepository()
        var result = SpoolSendResult()
        if spool.isThere {
            let lock = try spool.lock()
            defer { withExtendedLifetime(lock) {} }
            result = try send(spool, repository)
        }
        if !result.sent.isEmpty { try prepare(spool, repository) }
        result.durationSeconds = Clock.monotonicSeconds() - start
        return result
    }

    /// Sends what waits in a spool whose lock is held.
    func send(
        _ spool: Spool, _ repository: Repository
    ) throws(LifeboatError) -> SpoolSendResult {
        let sender = try SpoolSender(repository, spool, events: events, cancellation: cancellation)
        let outcome = try sender.run()
        var result = SpoolSendResult()
        result.sent = outcome.sent.map {
            SpoolSendResult.Sent(
                local: $0.local, point: $0.point, packs: $0.packs, bytesSent: $0.byteCount)
        }
        result.failures = outcome.blocked.map {
            SpoolSendResult.Failure(local: $0.local, error: $0.error)
        }
        return result
    }

    /// Gives up points that wait, and all later ones; `nil` for all.
    public func dropSpool(_ point: String?) throws(LifeboatError) -> [SpoolSummary.Waiting] {
        let settings = try requireSpool()
        let spool = Spool(path: settings.directory, limit: settings.size)
        guard spool.isThere else {
            throw LifeboatError(.missing, "there is no spool yet", subject: spool.path)
        }
        let lock = try spool.lock()
        defer { withExtendedLifetime(lock) {} }
        return try spool.drop(point).map { SpoolSummary.Waiting($0, fault: nil) }
    }

    private func requireSpool() throws(LifeboatError) -> SpoolSettings {
        if let settings = try access.spoolSettings() { return settings }
        throw LifeboatError(
            .missing, "this repository has no spool on this host", subject: access.location,
            advice: "describe one with the link that carries it, or give --spool and --spool-size")
    }

    private func summary(_ settings: SpoolSettings) throws(LifeboatError) -> SpoolSummary {
        try Self.summary(settings)
    }

    private static func summary(_ settings: SpoolSettings) throws(LifeboatError) -> SpoolSummary {
        let spool = Spool(path: settings.directory, limit: settings.size)
        return SpoolSummary(
            settings: settings, isPrepared: spool.isThere,
            bytesUsed: spool.isThere ? try spool.usedBytes() : 0,
            points: try spool.waiting().map { SpoolSummary.Waiting($0.record, fault: $0.fault) })
    }
}

extension SpoolSummary.Waiting {
    fileprivate init(_ record: SpoolRecord, fault: String?) {
        self.init(
            id: record.body, time: record.time, packs: record.packs.count,
            bytes: record.byteCount, fault: fault)
    }
}
