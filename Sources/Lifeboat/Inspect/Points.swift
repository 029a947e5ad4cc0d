import LifeboatProtocol
import LifeboatArchive
public import LifeboatCore
import LifeboatFormat

extension Operations {
    /// The points that the filter lets pass, oldest first; also those that wait in a spool.
    ///
    /// While the store cannot be reached: those that the spool knows of.
    public func points(_ filter: PointFilter) throws(LifeboatError) -> [PointSummary] {
        guard opened == nil, let settings = try access.spoolSettings() else {
            let (repository, catalog) = try openCatalog(try openRepository())
            return try summaries(catalog.points.filter { filter.accepts($0) }, repository)
        }
        let spool = Spool(path: settings.directory, limit: settings.size)
        let repository: Repository
        let catalog: PointCatalog
        do throws(LifeboatError) {
            (repository, catalog) = try openCatalog(try openRepository())
        } catch {
            guard isOccasion(error, settings) else { throw error }
            let spooled = try open(spool, because: error)
            events.tell(
                .warning(
                    "\(error.message): these are only the points that the spool knows of"))
            return try list(
                try openCatalog(spooled).catalog, spooled, spool, settings, filter)
        }
        return try list(catalog, repository, spool, settings, filter)
    }

    private func list(
        _ catalog: PointCatalog, _ repository: Repository, _ spool: Spool,
        _ settings: SpoolSettings, _ filter: PointFilter
    ) throws(LifeboatError) -> [PointSummary] {
        var waiting: [Point] = []
        do throws(LifeboatError) {
            if spool.isThere {
                try spool.check(repository)
                waiting = try spool.points(repository) { warn([$0]) }
            }
        } catch {
            guard error.code == .refused || error.code == .damaged else { throw error }
            warn([error])
        }
        let local = Set(waiting.map(\.id))
        let points = catalog.adding(waiting).points.filter { filter.accepts($0) }
        return try summaries(points, repository).map { point in
            guard local.contains(point.id) else { return point }
            var point = point
            point.place = .local
            point.counts = settings.counts
            return point
        }
    }

    /// One point.
    public func show(
        _ point: String, filter: PointFilter
    ) throws(LifeboatError) -> PointSummary {
        let (repository, catalog) = try openCatalog(try openRepository())
        let found = try catalog.find(point) { filter.accepts($0) }
        return summary(found, try Checks(repository))
    }

    /// What differs between two points, volume by volume; costs as much as differs.
    public func difference(
        _ old: String, _ new: String, filter: PointFilter, extentLimit: Int
    ) throws(LifeboatError) -> [VolumeDifference] {
        let repository = try openRepository()
        let log = try repository.readLog()
        let catalog = try PointCatalog(repository, log: log)
        warn(log.problems + catalog.problems)
        let left = try catalog.find(old) { filter.accepts($0) }
        let right = try catalog.find(new) { filter.accepts($0) }
        let index = try openIndex(repository, log: log)
        let nodes = try NodeReader(
            repository, index: index, packs: try PackCache(repository))
        var names: [String] = []
        for volume in left.body.volumes + right.body.volumes where !names.contains(volume.name) {
            names.append(volume.name)
        }
        var result: [VolumeDifference] = []
        for name in names {
            result.append(
                try difference(
                    name, left.body.volumes.first { $0.name == name },
                    right.body.volumes.first { $0.name == name }, nodes,
                    UInt64(repository.chunkSize), extentLimit))
        }
        return result
    }

    private func difference(
        _ name: String, _ old: PointBody.Volume?, _ new: PointBody.Volume?, _ nodes: NodeReader,
        _ chunkSize: UInt64, _ limit: Int
    ) throws(LifeboatError) -> VolumeDifference {
        let size = max(old?.size ?? 0, new?.size ?? 0)
        var result = VolumeDifference(
            name: name, oldSize: old?.size, newSize: new?.size, bytesChanged: 0, extents: [],
            extentCount: 0, isCutOff: false)
        var current: Extent?
        func close() {
            guard let extent = current else { return }
            result.extentCount += 1
            if result.extents.count < limit {
                result.extents.append(extent)
            } else {
                result.isCutOff = true
            }
            current = nil
        }
        func root(_ volume: PointBody.Volume?) -> BlockMapRoot {
            volume.map { BlockMapRoot(id: $0.root, levels: $0.levels) } ?? .zero
        }
        try BlockMapWalk(nodes).difference(root(old), root(new)) {
            chunk, _, _ throws(LifeboatError) in
            let offset = chunk * chunkSize
            guard offset < size else { return }
            let length = min(chunkSize, size - offset)
            result.bytesChanged += length
            if let extent = current, extent.end == offset {
                current = Extent(offset: extent.offset, length: extent.length + length)
            } else {
                close()
                current = Extent(offset: offset, length: length)
            }
            try cancellation.check()
        }
        close()
        return result
    }

    private func openCatalog(
        _ repository: Repository
    ) throws(LifeboatError) -> (repository: Repository, catalog: PointCatalog) {
        let log = try repository.readLog()
        let catalog = try PointCatalog(repository, log: log, isLenient: true)
        warn(log.problems + catalog.problems)
        return (repository, catalog)
    }

    func summaries(
        _ points: [Point], _ repository: Repository
    ) throws(LifeboatError) -> [PointSummary] {
        let checks = try Checks(repository)
        return points.map { summary($0, checks) }
    }

    private func summary(_ point: Point, _ checks: Checks) -> PointSummary {
        let check = checks.newest(covering: point.record)
        return PointSummary(
            id: point.id, machine: point.body.machine, host: point.body.host,
            time: point.body.ended, begun: point.body.begun, consistency: point.body.consistency,
            parent: point.body.parent.isZero ? nil : point.body.parent, tags: point.tags,
            volumes: point.body.volumes.map { volume in
                PointSummary.Volume(
                    name: volume.name, size: volume.size, consistency: volume.consistency,
                    method: volume.method, bytesRead: volume.bytesRead, bytesNew: volume.bytesNew,
                    bytesStored: volume.bytesStored, bytesZero: volume.bytesZero,
                    bytesUnchanged: volume.bytesUnchanged, root: volume.root,
                    warnings: volume.warnings, isDefinition: volume.content == .definition)
            },
            machines: point.body.machines.map { MachineSummary($0) }, skew: point.body.skew,
            program: point.body.program, writer: point.record.member,
            incarnation: point.record.incarnation, sequence: point.record.sequence,
            verifiedTime: check?.time, verifiedDepth: check?.depth, isHeld: point.record.isHeld)
    }
}
