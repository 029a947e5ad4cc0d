import LifeboatProtocol
import LifeboatArchive
import LifeboatCodec
public import LifeboatCore
import LifeboatFormat
import LifeboatSystem
import LifeboatVolume

extension Operations {
    /// Restores volumes of a point to files, a device or standard output.
    ///
    /// - Throws: `.exists` or `.refused` rather than overwrite anything without `isInPlace`;
    ///   `.damaged` saying which ranges are lost, after everything else was restored.
    public func restore(_ options: RestoreOptions) throws(LifeboatError) -> RestoreResult {
        let start = Clock.monotonicSeconds()
        let opened = try openRepository(readsOnly: true)
        _ = try opened.requireRecovery()
        let log = try opened.readLog()
        let catalog = try PointCatalog(opened, log: log)
        warn(log.problems + catalog.problems)
        let filter = options.filter
        let point = try catalog.find(options.point) { filter.accepts($0) }
        let repository = try opened.inDomain(point.record.domain)
        let volumes = try chosen(options, point)
        let index = try openIndex(repository, log: log)
        let packs = try PackCache(repository)
        let nodes = try NodeReader(repository, index: index, packs: packs)
        var results: [VolumeRestoreResult] = []
        for (volume, target) in try targets(options, volumes) {
            let restore = VolumeRestore(
                volume, repository: repository, index: index, packs: packs, nodes: nodes,
                threads: Self.threads(options.threads, memory: options.memory), events: events,
                cancellation: cancellation)
            results.append(try run(restore, target, point.id, options))
        }
        return RestoreResult(
            point: point.id, volumes: results,
            durationSeconds: Clock.monotonicSeconds() - start)
    }

    private func chosen(
        _ options: RestoreOptions, _ point: Point
    ) throws(LifeboatError) -> [PointBody.Volume] {
        for name in options.volumes where !point.body.volumes.contains(where: { $0.name == name }) {
            let names = point.body.volumes.map(\.name).joined(separator: ", ")
            throw LifeboatError(
                .missing, "point \(point.id.short) has no volume \(name)", subject: name,
                advice: "it has: \(names)")
        }
        let disks = point.body.volumes.filter { $0.content == .disk }
        return options.volumes.isEmpty
            ? disks
            : point.body.volumes.filter { options.volumes.contains($0.name) }
    }

    private func targets(
        _ options: RestoreOptions, _ volumes: [PointBody.Volume]
    ) throws(LifeboatError) -> [(PointBody.Volume, String)] {
        let isDirectory = Files.isDirectory(options.target)
        if volumes.count == 1, let volume = volumes.first {
            return [(volume, isDirectory ? options.target + "/" + volume.name : options.target)]
        }
        guard options.target != "-" else {
            throw LifeboatError(
                .usage, "standard output takes one volume", subject: options.target,
                advice: "choose one of "
                    + volumes.map(\.name).joined(separator: ", ") + " with --volume")
        }
        if !isDirectory {
            guard !Files.exists(options.target) else {
                throw LifeboatError(
                    .exists, "several volumes need a directory to go into",
                    subject: options.target)
            }
            try Files.makeDirectories(options.target)
        }
        return volumes.map { ($0, options.target + "/" + $0.name) }
    }

    private func run(
        _ restore: VolumeRestore, _ path: String, _ point: Digest, _ options: RestoreOptions
    ) throws(LifeboatError) -> VolumeRestoreResult {
        let start = Clock.monotonicSeconds()
        var result = VolumeRestoreResult(
            name: restore.volume.name, target: path, size: restore.volume.size, bytesWritten: 0,
            bytesFetched: 0, bytesMatching: 0, bytesVerified: 0, writeSeconds: 0,
            verifySeconds: 0, bytesResumed: 0)
        if path == "-" {
            try StreamRestore(restore, descriptor: options.outputDescriptor).run()
            result.bytesWritten = restore.volume.size
            result.bytesFetched = restore.totals.fetched
            result.writeSeconds = Clock.monotonicSeconds() - start
            return result
        }
        let plan = try RestoreTarget.prepare(
            path, restore.volume, point: point, options: options,
            directories: restore.repository.directories)
        let first = plan.position
        // From here on the target may be half done; and what an older journal says no longer holds.
        if let fault = try plan.journal.begin(first) {
            events.tell(
                .warning("an interruption cannot be resumed where it was: \(fault.description)"))
        }
        result.bytesResumed = min(restore.volume.size, first * restore.chunkSize)
        try restore.write(to: plan.target, from: first, compares: plan.compares) {
            position throws(LifeboatError) in
            try plan.target.sync()
            // What an earlier note says holds as well; a full disk here is no reason to stop.
            try? plan.journal.note(position)
        }
        try plan.target.sync()
        result.writeSeconds = Clock.monotonicSeconds() - start
        result.bytesWritten = restore.totals.written
        result.bytesFetched = restore.totals.fetched
        result.bytesMatching = restore.totals.matching
        if let error = restore.lost.error(target: plan.target.name) { throw error }
        if options.verifies {
            let begin = Clock.monotonicSeconds()
            plan.target.dropCache()
            result.bytesVerified = try restore.verify(plan.target)
            result.verifySeconds = Clock.monotonicSeconds() - begin
        }
        try plan.complete()
        return result
    }
}

extension PointFilter {
    /// Whether a point is among those asked for.
    func accepts(_ point: Point) -> Bool {
        if let machine, point.body.machine != machine { return false }
        if let host, point.body.host != host { return false }
        return tags.allSatisfy { point.tags[$0.key] == $0.value }
    }
}
