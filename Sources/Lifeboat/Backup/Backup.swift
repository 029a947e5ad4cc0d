import LifeboatArchive
import LifeboatCodec
public import LifeboatCore
import LifeboatFormat
import LifeboatMachine
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
        try checkMembers(options)
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
        defer { session.end() }
        warn(log.problems + place.problems)
        if session.adoptedPacks > 0 {
            events.tell(
                .note("took over \(session.adoptedPacks) packs of an interrupted backup"))
        }
        var done = Progress()
        defer { for kept in done.fingerprints { kept.dropUnlessKept() } }
        var snapshots: MachineSnapshots?
        var point: Digest?
        var body: PointBody
        var warnings: [String] = []
        do throws(LifeboatError) {
            let opened = try MachineSnapshots(self, options, repository, place.catalog)
            snapshots = opened
            let sources = options.sources + (try opened.start())
            try backUp(sources, options, repository, place, &done)
            body = self.body(done, options, opened, begun: begun)
            if options.isDryRun {
                session.discard()
            } else {
                events.tell(.started(stage: "committing", total: nil))
                point = try place.commit(body, done.bases)
                events.tell(.finished(stage: "committing"))
                for kept in done.fingerprints { kept.keep() }
            }
        } catch {
            _ = snapshots?.end(isDurable: false)
            place.giveUp(error)
            throw error
        }
        warnings += snapshots?.end(isDurable: point != nil) ?? []
        return BackupResult(
            point: point, place: repository.spool == nil ? .remote : .local,
            machine: options.machine, consistency: body.consistency,
            parent: done.parent, volumes: done.outcomes.map(\.result),
            machines: body.machines.map { MachineSummary($0) }, skew: body.skew,
            bytesMetadata: session.metadataBytes
                + session.dataBytes
                - min(session.dataBytes, done.outcomes.map(\.result.bytesStored).reduce(0, +)),
            durationSeconds: Clock.monotonicSeconds() - start,
            warnings: (log.problems + place.problems).map(\.description) + warnings)
    }

    /// What has been backed up so far.
    private struct Progress {
        var outcomes: [VolumeBackup.Outcome] = []
        var fingerprints: [VolumeBackup.Fingerprints] = []
        var parent: Digest?
        var bases: Set<Digest> = []
    }

    private func backUp(
        _ sources: [BackupOptions.Source], _ options: BackupOptions, _ repository: Repository,
        _ place: BackupPlace, _ done: inout Progress
    ) throws(LifeboatError) {
        try checkNames(sources, options)
        let packs = try PackCache(repository, limit: 8 << 20)
        let nodes = try NodeReader(repository, index: place.index, packs: packs, limit: 8 << 20)
        let threads = Self.threads(options.threads, memory: options.memory)
        for source in sources {
            let parent = try parentPoint(source.name, options, place.catalog)
            if done.parent == nil { done.parent = parent?.id }
            if let parent { done.bases.insert(parent.id) }
            let backup = VolumeBackup(
                source: source, options: options, parent: parent, repository: repository,
                session: place.session, nodes: nodes, threads: threads, events: events,
                cancellation: cancellation)
            var outcome = try backup.run()
            if let origin = options.origin { outcome.take(origin) }
            done.outcomes.append(outcome)
            if let kept = outcome.fingerprints { done.fingerprints.append(kept) }
        }
    }

    private func body(
        _ done: Progress, _ options: BackupOptions, _ snapshots: MachineSnapshots, begun: UInt64
    ) -> PointBody {
        let volumes = done.outcomes.map(\.volume)
        let machines = options.origin?.machines ?? snapshots.records(volumes)
        let levels =
            volumes.filter { $0.content == .disk }.map(\.consistency)
            + machines.map(\.consistency)
        var body = PointBody(
            machine: options.machine, host: options.origin?.host ?? Files.hostName,
            begun: options.origin?.begun ?? begun,
            ended: options.origin?.ended ?? Clock.milliseconds(),
            consistency: levels.min() ?? .crash, parent: done.parent ?? .zero,
            tags: options.tags, volumes: volumes, program: Version.program)
        body.machines = machines
        body.skew = options.origin?.skew ?? snapshots.skew
        return body
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

    private func checkMembers(_ options: BackupOptions) throws(LifeboatError) {
        guard !options.sources.isEmpty || !options.members.isEmpty else {
            throw LifeboatError(.usage, "there is no volume to back up")
        }
        var names: Set<String> = []
        for member in options.members where !names.insert(member.machine.name).inserted {
            throw LifeboatError(
                .usage, "there are two machines of one name", subject: member.machine.name)
        }
        if options.members.isEmpty { try checkNames(options.sources, options) }
    }

    private func checkNames(
        _ sources: [BackupOptions.Source], _ options: BackupOptions
    ) throws(LifeboatError) {
        var names: Set<String> = []
        for source in sources {
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
