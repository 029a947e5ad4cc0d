import LifeboatArchive
import LifeboatCore
import LifeboatFormat
import LifeboatStore

extension Operations {
    /// Backs up where there is a spool: sends what waits there, makes a point, and prepares the
    /// spool for the next time; or leaves the point in the spool.
    func backUp(
        _ options: BackupOptions, with settings: SpoolSettings
    ) throws(LifeboatError) -> BackupResult {
        let spool = Spool(path: settings.directory, limit: settings.size)
        let repository: Repository
        do throws(LifeboatError) {
            repository = try openRepository()
            if !options.isDryRun { try sendBeforeBackup(repository, spool) }
        } catch {
            guard isOccasion(error, settings) else { throw error }
            return try backUp(options, into: spool, because: error)
        }
        var result = try backUp(options, to: repository)
        guard !options.isDryRun else { return result }
        do throws(LifeboatError) {
            try prepare(spool, repository)
        } catch {
            guard error.code != .cancelled else { return result }
            let text = "the spool is not up to date: \(error.description)"
            events.tell(.warning(text))
            result.warnings.append(text)
        }
        return result
    }

    /// Whether an error is one for which there is the spool.
    func isOccasion(_ error: LifeboatError, _ settings: SpoolSettings) -> Bool {
        switch error.code {
        case .suspended: true
        case .unavailable: settings.occasion == .unreachable && !cancellation.isCancelled
        default: false
        }
    }

    /// Opens the repository in its spool.
    ///
    /// - Throws: `error`, for which the spool is wanted, when it was never prepared.
    func open(_ spool: Spool, because error: LifeboatError) throws(LifeboatError) -> Repository {
        let (secret, recovery) = try secrets()
        do throws(LifeboatError) {
            return try spool.open(
                location: try access.placeName(), secret: secret, recovery: recovery,
                stateRoot: access.stateDirectory, cacheRoot: access.cacheDirectory)
        } catch let fault {
            guard fault.code == .missing else { throw fault }
            throw LifeboatError(
                error.code, error.message, subject: error.subject, cause: error.cause,
                advice: (error.advice.map { $0 + "; " } ?? "")
                    + "the spool cannot help before a backup has prepared it")
        }
    }

    private func backUp(
        _ options: BackupOptions, into spool: Spool, because error: LifeboatError
    ) throws(LifeboatError) -> BackupResult {
        let repository = try open(spool, because: error)
        events.tell(.note("\(error.message): the point goes to the spool \(spool.path)"))
        return try backUp(options, to: repository)
    }

    /// Sends what waits, as far as that can be; what cannot is told, and stays.
    private func sendBeforeBackup(
        _ repository: Repository, _ spool: Spool
    ) throws(LifeboatError) {
        guard spool.isThere else { return }
        do throws(LifeboatError) {
            let lock = try spool.lock()
            defer { withExtendedLifetime(lock) {} }
            guard try !spool.records().isEmpty else { return }
            let sender = try SpoolSender(
                repository, spool, events: events, cancellation: cancellation)
            for (_, fault) in try sender.run(retries: false).blocked {
                events.tell(.warning(fault.description))
            }
        } catch {
            // A spool that is in use, foreign or damaged does not keep this backup from being made.
            guard error.code == .refused || error.code == .damaged else { throw error }
            events.tell(.warning("what waits in the spool is not sent: \(error.description)"))
        }
    }

    /// Brings the spool up to date with a repository that can be reached.
    func prepare(_ spool: Spool, _ repository: Repository) throws(LifeboatError) {
        let lock = try spool.lock()
        defer { withExtendedLifetime(lock) {} }
        let damaged = try spool.prepare(
            try repository.refreshed(), events: events, cancellation: cancellation)
        if let fault = damaged.first { throw fault }
    }
}
