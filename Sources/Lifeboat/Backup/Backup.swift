import LifeboatArchive
import LifeboatCodec
public import LifeboatCore
import LifeboatFormat
import LifeboatStore
import LifeboatSystem
import LifeboatVolume

extension Operations {
    /// Makes one recovery point of all sources.
    ///
    /// While the store cannot be reached, and there is a spool for that, the point waits there.
    /// - Throws: `.unreadable` naming volume and range, `.refused` for a hint of another base,
    ///   `.full` when store or spool have no room; what was stored until then is taken over next
    ///   time.
    public func backup(_ options: BackupOptions) throws(LifeboatError) -> BackupResult {
        try checkNames(options)
        guard opened == nil, let settings = try access.spoolSettings() else {
            return try backUp(options, to: try openRepository())
        }
        return try backUp(options, with: settings)
    }

    /// Makes one recovery point in a repository, or in the spool that it was opened in.
    func backUp(
        _ options: BackupOptions, to repository: Repository
    ) throws(LifeboatError) -> BackupResult {
        let begun = Clock.milliseconds()
        let start = Clock.monotonicSeconds()
        let lock = try repository.spool?.lock(waits: true, cancellation: cancellation)
        defer { withExtendedLifetime(lock) {} }
        _ = try repository.requireWriter()
        let log = try repository.readLog()
        try refuseDoubtfulKeepers(log)
        let place =
            try repository.spool == nil
            ? BackupPlace(self, options, repository, log)
            : BackupPlace(spooling: options, repository, log)
        let session = place.session
        let catalog = place.catalog
        defer { session.end() }
        warn(log.problems + place.problems)
        if session.adoptedPacks > 0 {
            events.tell(
                .note("took over \(session.adoptedPacks) packs of an interrupted backup"))
        }
        let packs = try PackCache(repository, limit: 8 << 20)
        let nodes = try NodeReader(repository, index: place.index, packs: packs, limit: 8 << 20)
        let threads = Self.threads(options.threads, memory: options.memory)
        var outcomes: [VolumeBackup.Outcome] = []
        var fingerprints: [VolumeBackup.Fingerprints] = []
        defer { for kept in fingerprints { kept.dropUnlessKept() } }
        var parentID: Digest?
        var bases: Set<Digest> = []
        do throws(LifeboatError) {
            for source in options.sources {
                let parent = try parentPoint(source.name, options, catalog)
                if parentID == nil { parentID = parent?.id }
                if let parent { bases.insert(parent.id) }
                let backup = VolumeBackup(
                    source: source, options: options, parent: parent, repository: repository,
                    session: session, nodes: nodes, threads: threads, events: events,
                    cancellation: cancellation)
                let outcome = try backup.run()
                outcomes.append(outcome)
                if let kept = outcome.fingerprints { fingerprints.append(kept) }
            }
        } catch {
            place.giveUp(error)
            throw error
        }
        if let origin = options.origin {
            for index in outcomes.indices { outcomes[index].take(origin) }
        }
        let consistency = outcomes.map(\.result.consistency).min() ?? .crash
        var point: Digest?
        if options.isDryRun {
            session.discard()
        } else {
            events.tell(.started(stage: "committing", total: nil))
            let body = PointBody(
                machine: options.machine, host: options.origin?.host ?? Files.hostName,
                begun: options.origin?.begun ?? begun,
                ended: options.origin?.ended ?? Clock.milliseconds(), consistency: consistency,
                parent: parentID ?? .zero, tags: options.tags,
                volumes: outcomes.map(\.volume), program: Version.program)
            do throws(LifeboatError) {
                point = try place.commit(body, bases)
            } catch {
                place.giveUp(error)
                throw error
            }
            events.tell(.finished(stage: "committing"))
            for kept in fingerprints { kept.keep() }
        }
        return BackupResult(
            point: point, place: repository.spool == nil ? .remote : .local,
            machine: options.machine, consistency: consistency,
            parent: parentID, volumes: outcomes.map(\.result),
            bytesMetadata: session.metadataBytes
                + session.dataBytes
                - min(session.dataBytes, outcomes.map(\.result.bytesStored).reduce(0, +)),
            durationSeconds: Clock.monotonicSeconds() - start,
            warnings: (log.problems + place.problems).map(\.description))
    }

    /// Without every word of the keepers nobody knows what may be relied on.
    private func refuseDoubtfulKeepers(_ log: LogView) throws(LifeboatError) {
        for problem in log.keeperProblems {
            throw LifeboatError(
                .refused, "a keeper's log is not whole: \(problem.message)",
                subject: problem.subject,
                advice: "take it from another copy of the repository; restores still work")
        }
    }

    private func checkNames(_ options: BackupOptions) throws(LifeboatError) {
        guard !options.sources.isEmpty else {
            throw LifeboatError(.usage, "there is no volume to back up")
        }
        var names: Set<String> = []
        for source in options.sources {
            guard names.insert(source.name).inserted else {
                throw LifeboatError(
                    .usage, "two volumes have the name \(source.name)", subject: source.name,
                    advice: "name them with NAME=SOURCE")
            }
            guard !source.name.isEmpty, source.name.utf8.count <= 255, source.name != ".",
                source.name != "..", !source.name.contains("/"),
                !source.name.utf8.contains(where: { $0 < 32 || $0 == 127 })
            else {
                throw LifeboatError(
                    .usage, "a volume's name must do for a file's name", subject: source.name)
            }
        }
        for name in options.changedExtents.keys.sorted() where !names.contains(name) {
            throw LifeboatError(
                .usage, "changed extents are given for a volume that is not backed up",
                subject: name)
        }
    }

    private func parentPoint(
        _ volume: String, _ options: BackupOptions, _ catalog: PointCatalog
    ) throws(LifeboatError) -> Point? {
        guard let text = options.parent else {
            return catalog.newest(machine: options.machine, volume: volume)
        }
        let machine = options.machine
        let point = try catalog.find(text) { text != "latest" || $0.body.machine == machine }
        return point.body.volumes.contains { $0.name == volume } ? point : nil
    }

    /// Worker threads that the processors and the memory setting allow.
    static func threads(_ wanted: Int, memory: UInt64) -> Int {
        // What is there with any number of threads, and what each thread adds, in MiB.
        let fixed: UInt64 = 160
        let each: UInt64 = 24
        let affordable = memory >> 20 > fixed ? Int(((memory >> 20) - fixed) / each) : 1
        return max(1, min(wanted > 0 ? wanted : Threads.processorCount, max(1, affordable)))
    }
}
