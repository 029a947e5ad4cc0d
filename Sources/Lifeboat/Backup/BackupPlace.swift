import LifeboatArchive
import LifeboatCore
import LifeboatFormat
import LifeboatStore
import LifeboatSystem

/// Where a backup's point goes, and what it may rely on there.
struct BackupPlace {
    /// The points that a volume may be compared with.
    let catalog: PointCatalog
    let session: WriteSession
    /// Where the nodes of their block maps are.
    let index: Index
    let problems: [LifeboatError]
    private let spooling: SpoolSession?

    /// The store of the repository.
    init(
        _ operations: Operations, _ options: BackupOptions, _ repository: Repository,
        _ log: LogView
    ) throws(LifeboatError) {
        spooling = nil
        let opening =
            options.isDryRun
            ? SessionOpening(readingOnly: log) : try SessionOpening(repository)
        // A session that fails before it stores anything is closed when this host comes again.
        do throws(LifeboatError) {
            // All points only where a certain one is needed: a parent is found without them.
            catalog =
                options.parent == nil && options.changedExtents.isEmpty
                ? try PointCatalog.newest(
                    repository, ledger: opening.ledger, machine: options.machine,
                    volumes: options.sources.map(\.name)
                        + MachineSnapshots.keyVolumes(options.members),
                    member: try repository.requireWriter().writer)
                : try PointCatalog(repository, ledger: opening.ledger)
            problems = catalog.problems
            index = try operations.openIndex(repository, log: log, ledger: opening.ledger)
            _ = try? repository.store.cleanTemporaries()
            repository.directories.cleanLeftovers()
            session = try WriteSession(repository, opening, index: index, packBuffers: 3)
        } catch {
            opening.end()
            throw error
        }
    }

    /// The spool that the repository was opened in, whose lock is held.
    init(
        spooling options: BackupOptions, _ repository: Repository, _ log: LogView
    ) throws(LifeboatError) {
        _ = try? repository.store.cleanTemporaries()
        repository.directories.cleanLeftovers()
        var problems: [LifeboatError] = []
        let known = try PointCatalog(repository, log: log)
        let spooling = try SpoolSession(
            repository, log, isDryRun: options.isDryRun, packBuffers: 3)
        do throws(LifeboatError) {
            let waiting =
                try repository.spool?.points(repository) { problems.append($0) } ?? []
            catalog = known.adding(waiting)
        } catch {
            spooling.session.end()
            throw error
        }
        self.problems = known.problems + spooling.problems + problems
        session = spooling.session
        index = spooling.index
        self.spooling = spooling
    }

    /// Makes the point; returns its id.
    ///
    /// `bases`: the points whose block maps it was made of.
    func commit(_ body: PointBody, _ bases: Set<Digest>) throws(LifeboatError) -> Digest {
        guard let spooling else { return try session.commit(body).id }
        return try spooling.commit(body, bases: bases)
    }

    /// Ends without a point; what is stored is taken over by the next backup, if it can be whole.
    func giveUp(_ error: LifeboatError) {
        session.discard()
        if error.code == .full { try? spooling?.discard() }
    }
}
