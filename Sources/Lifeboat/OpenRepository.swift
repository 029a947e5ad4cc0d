import LifeboatArchive
import LifeboatCodec
import LifeboatCore
import LifeboatProtocol
import LifeboatStore

extension Operations {
    /// Opens the repository with the secrets of `access`.
    ///
    /// `readsOnly`: a recovery key makes the password unnecessary, and spares deriving its key.
    func openRepository(readsOnly: Bool = false) throws(LifeboatError) -> Repository {
        if let opened { return try opened.refreshed() }
        let store = try access.store(events: events, cancellation: cancellation)
        let (secret, recovery) = try secrets()
        return try Repository.open(
            store, secret: readsOnly && recovery != nil ? nil : secret, recovery: recovery,
            stateRoot: access.stateDirectory,
            cacheRoot: access.cacheDirectory)
    }

    /// What `access` opens a repository with.
    func secrets() throws(LifeboatError) -> (secret: WrappingSecret?, recovery: RecoveryKey?) {
        var secret: WrappingSecret?
        var recovery: RecoveryKey?
        switch access.secret {
        case .none: break
        case .password(let password): secret = .password(password)
        case .keyFile(let path): secret = .keyFile(try KeyFile.read(path))
        case .recoveryKey(let path): recovery = try RecoveryKey(file: path)
        }
        if recovery == nil, let path = access.recoveryKeyFile {
            recovery = try RecoveryKey(file: path)
        }
        return (secret, recovery)
    }

    /// Tells what is wrong with the log or with points, without giving up on the rest.
    func warn(_ problems: [LifeboatError]) {
        for problem in problems { events.tell(.warning(problem.description)) }
    }

    /// The index; made anew from the packs where the stored one cannot be read.
    func openIndex(
        _ repository: Repository, log: LogView, ledger: Ledger? = nil
    ) throws(LifeboatError) -> Index {
        do throws(LifeboatError) {
            return try Index.open(
                repository, ledger: ledger ?? log.ledger, refreshes: ledger == nil)
        } catch {
            guard error.code == .damaged else { throw error }
            events.tell(.warning("\(error.description); reading the packs instead"))
            let scan = try IndexScan.run(
                repository, log: log, events: events, cancellation: cancellation)
            warn(scan.problems)
            return scan.index
        }
    }
}
