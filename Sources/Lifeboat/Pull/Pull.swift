import LifeboatArchive
import LifeboatCodec
public import LifeboatCore
import LifeboatFormat
import LifeboatProtocol
import LifeboatStore
import LifeboatSystem
import LifeboatVolume

extension Operations {
    /// Takes over points of a repository with other keys, the oldest first.
    ///
    /// A point that was taken over before is left out; one whose parent was is compared with that,
    /// and costs as much as differs.
    /// - Throws: `.missing` when a named point is not there, `.wrongKey` when the key is not that
    ///   repository's; what was taken over before an error stays.
    public func pull(_ options: PullOptions) throws(LifeboatError) -> PullResult {
        let start = Clock.monotonicSeconds()
        let repository = try openRepository()
        _ = try repository.requireWriter()
        let source = try Repository.open(
            try access.store(at: options.source, cancellation: cancellation), secret: nil,
            recovery: try RecoveryKey(file: options.recoveryKeyFile),
            stateRoot: access.stateDirectory, cacheRoot: access.cacheDirectory)
        guard source.id != repository.id else {
            throw LifeboatError(
                .refused, "both are the same repository", subject: options.source,
                advice: "copies with the same keys are made with: lifeboat replica")
        }
        let log = try source.readLog()
        let catalog = try PointCatalog(source, log: log)
        warn(log.problems + catalog.problems)
        let chosen = try chosen(options, catalog)
        let index = try openIndex(source, log: log)
        let own = Operations(on: repository, events: events, cancellation: cancellation)
        var result = PullResult(source: source.id)
        for point in chosen {
            try cancellation.check()
            let known = try own.pulled(from: source.id)
            if let here = known[point.id] {
                result.points.append(
                    PulledPoint(
                        id: here.id, origin: point.id, machine: point.body.machine, isNew: false))
                continue
            }
            let puller = PointPuller(
                operations: own, source: try source.inDomain(point.record.domain), index: index,
                catalog: catalog, known: known, options: options)
            let backup = try puller.pull(point)
            guard let id = backup.point else { continue }
            result.points.append(
                PulledPoint(
                    id: id, origin: point.id, machine: point.body.machine, isNew: true))
            result.bytesRead += backup.volumes.reduce(0) { $0 + $1.bytesRead }
            result.bytesStored +=
                backup.bytesMetadata + backup.volumes.reduce(0) { $0 + $1.bytesStored }
        }
        result.durationSeconds = Clock.monotonicSeconds() - start
        return result
    }

    private func chosen(
        _ options: PullOptions, _ catalog: PointCatalog
    ) throws(LifeboatError) -> [Point] {
        let filter = options.filter
        if options.points.isEmpty { return catalog.points.filter { filter.accepts($0) } }
        var chosen: Set<Digest> = []
        for text in options.points {
            chosen.insert(try catalog.find(text) { filter.accepts($0) }.id)
        }
        return catalog.points.filter { chosen.contains($0.id) }
    }

    /// The points that were taken over from a repository, by their ids there.
    private func pulled(from other: Identifier) throws(LifeboatError) -> [Digest: Point] {
        let repository = try openRepository()
        let catalog = try PointCatalog(
            repository, log: try repository.readLog(), isLenient: true)
        var result: [Digest: Point] = [:]
        for point in catalog.points {
            // What it was taken over with: tags can be edited later.
            guard let text = point.body.tags[PullOptions.originTag] else { continue }
            let parts = text.split(separator: "/")
            if parts.count == 2, Identifier(hex: parts[0]) == other,
                let id = Digest(hex: String(parts[1]))
            {
                result[id] = point
            }
        }
        return result
    }
}

/// Takes over one point.
private struct PointPuller {
    let operations: Operations
    let source: Repository
    let index: Index
    let catalog: PointCatalog
    let known: [Digest: Point]
    let options: PullOptions

    func pull(_ point: Point) throws(LifeboatError) -> BackupResult {
        let packs = try PackCache(source)
        let nodes = try NodeReader(source, index: index, packs: packs)
        var sources: [BackupOptions.Source] = []
        for volume in point.body.volumes {
            let restore = VolumeRestore(
                volume, repository: source, index: index, packs: packs, nodes: nodes, threads: 1,
                events: SilentSink(), cancellation: operations.cancellation)
            sources.append(
                BackupOptions.Source(
                    name: volume.name, reader: PulledVolume(restore, of: point.id)))
        }
        var backup = BackupOptions(machine: point.body.machine, sources: sources)
        backup.tags = point.tags
        backup.tags[PullOptions.originTag] = "\(source.id.hex)/\(point.id.hex)"
        backup.usesFingerprints = false
        backup.memory = options.memory
        backup.threads = options.threads
        // The repository that it comes from is believed as far as its maps go.
        backup.auditChunks = 16
        backup.origin = point.body
        let hints = try hints(point, nodes, &backup)
        defer { for path in hints { try? Files.remove(path) } }
        return try operations.backup(backup)
    }

    /// What differs from the parent, where that was taken over too: else everything is read.
    private func hints(
        _ point: Point, _ nodes: NodeReader, _ backup: inout BackupOptions
    ) throws(LifeboatError) -> [String] {
        guard let parent = catalog.points.first(where: { $0.id == point.body.parent }),
            let here = known[parent.id]
        else { return [] }
        backup.parent = here.id.hex
        var paths: [String] = []
        let step = UInt64(source.chunkSize)
        let own = UInt64(try operations.openRepository().chunkSize)
        for volume in point.body.volumes {
            guard let old = parent.body.volumes.first(where: { $0.name == volume.name }),
                let copy = here.body.volumes.first(where: { $0.name == volume.name }),
                copy.size == old.size, step.isMultiple(of: own) || own.isMultiple(of: step)
            else { continue }
            var extents: [Extent] = []
            try BlockMapWalk(nodes).difference(
                BlockMapRoot(id: old.root, levels: old.levels),
                BlockMapRoot(id: volume.root, levels: volume.levels)
            ) { chunk, _, _ in
                let offset = chunk * step
                guard offset < volume.size else { return }
                let length = min(step, volume.size - offset)
                if let last = extents.last, last.end == offset {
                    extents[extents.count - 1].length += length
                } else {
                    extents.append(Extent(offset: offset, length: length))
                }
            }
            guard extents.count < ChangedExtentsText.extentLimit else { continue }
            let text = ChangedExtentsText(
                base: here.id.hex, volume: volume.name, size: volume.size, granularity: step,
                extents: extents)
            let path =
                try operations.openRepository().directories.cache + "/pull-"
                + Identifier.random().hex
            try Files.writeAtomically(path, Array(text.text.utf8))
            paths.append(path)
            backup.changedExtents[volume.name] = path
        }
        return paths
    }
}
