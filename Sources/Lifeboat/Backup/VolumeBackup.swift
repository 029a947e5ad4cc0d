import LifeboatArchive
import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatSystem
import LifeboatVolume

/// Backs up one volume into a session.
struct VolumeBackup {
    struct Outcome {
        var result: VolumeBackupResult
        var volume: PointBody.Volume
        var fingerprints: Fingerprints?

        /// Takes over what the point says that the volume is a copy of.
        mutating func take(_ origin: PointBody) {
            guard let copied = origin.volumes.first(where: { $0.name == volume.name }) else {
                return
            }
            volume.consistency = copied.consistency
            volume.warnings = copied.warnings + volume.warnings
            volume.content = copied.content
            result.consistency = copied.consistency
        }
    }

    /// Fingerprints to be kept when the point stands.
    final class Fingerprints {
        private let file: FingerprintFile
        private let path: String
        private let root: BlockMapRoot
        private let size: UInt64
        private let chunkSize: Int
        private let isNew: Bool
        private var isKept = false

        init(
            file: FingerprintFile, path: String, root: BlockMapRoot, size: UInt64, chunkSize: Int,
            isNew: Bool
        ) {
            self.file = file
            self.path = path
            self.root = root
            self.size = size
            self.chunkSize = chunkSize
            self.isNew = isNew
        }

        /// Losing fingerprints costs time only, so a failure here is no failure of the backup.
        func keep() {
            isKept = (try? file.keep(at: path, root: root, size: size, chunkSize: chunkSize)) != nil
        }

        func dropUnlessKept() { if isNew, !isKept { file.drop() } }
    }

    let source: BackupOptions.Source
    let options: BackupOptions
    let parent: Point?
    let repository: Repository
    let session: WriteSession
    let nodes: NodeReader
    let threads: Int
    let events: any EventSink
    let cancellation: Cancellation

    private var chunkSize: Int { repository.chunkSize }

    private var parentVolume: PointBody.Volume? {
        parent?.body.volumes.first { $0.name == source.name }
    }

    private var parentRoot: BlockMapRoot {
        parentVolume.map { BlockMapRoot(id: $0.root, levels: $0.levels) } ?? .zero
    }

    func run() throws(LifeboatError) -> Outcome {
        if source.reader == nil, source.path == "-" {
            guard options.changedExtents[source.name] == nil else {
                throw LifeboatError(
                    .refused, "standard input cannot be read at changed extents only",
                    subject: source.name)
            }
            return try scanStream()
        }
        let volume = try openVolume()
        guard let hint = try hint(volume) else {
            return try scanWhole(volume, warnings: [], audited: 0)
        }
        let audit: (bytes: UInt64, mismatch: UInt64?)
        events.tell(.started(stage: "auditing", total: nil))
        do throws(LifeboatError) {
            audit = try hint.audit(
                volume, parentRoot: parentRoot, nodes: nodes, options: options,
                hasher: try repository.requireDomain().chunkHasher())
        } catch {
            return try scanWhole(volume, instead: error, audited: 0)
        }
        events.tell(.finished(stage: "auditing"))
        if let mismatch = audit.mismatch {
            let text =
                "the changed extents do not name a change at byte \(mismatch); "
                + "everything was read instead"
            return try scanWhole(volume, warnings: [text], audited: audit.bytes)
        }
        do throws(LifeboatError) {
            return try scanHinted(volume, hint, audited: audit.bytes)
        } catch {
            return try scanWhole(volume, instead: error, audited: audit.bytes)
        }
    }

    /// What is known to have changed since the parent; `nil` where all must be read.
    ///
    /// - Throws: `.refused` for a file of changed extents that belongs to another base.
    private func hint(_ volume: any VolumeReader) throws(LifeboatError) -> Hint? {
        if let path = options.changedExtents[source.name] {
            return try Hint(
                path: path, volume: source.name, size: volume.size, parent: parent,
                chunkSize: chunkSize)
        }
        guard let changes = source.changes, let parentVolume,
            let owner = parent?.body.machines.first(where: { $0.volumes.contains(source.name) })
        else { return nil }
        guard owner.snapshot == changes.base else {
            events.tell(
                .note(
                    "\(source.name): what changed is known since another snapshot than that of "
                        + "the newest point, so everything is read"))
            return nil
        }
        return Hint(
            changes.extents, size: volume.size, oldSize: parentVolume.size, chunkSize: chunkSize)
    }

    /// Without the parent's whole map, what is unchanged cannot be taken from it.
    private func scanWhole(
        _ volume: any VolumeReader, instead error: LifeboatError, audited: UInt64
    ) throws(LifeboatError) -> Outcome {
        guard error.code == .damaged else { throw error }
        let text = "\(error.description); everything was read instead"
        return try scanWhole(volume, warnings: [text], audited: audited)
    }

    private func openVolume() throws(LifeboatError) -> any VolumeReader {
        if let reader = source.reader { return reader }
        return try FileVolume(path: source.path)
    }

    // MARK: the three ways

    private func scanWhole(
        _ volume: any VolumeReader, warnings: [String], audited: UInt64
    ) throws(LifeboatError) -> Outcome {
        let inUse = volume.inUse
        let path = FingerprintFile.path(
            repository.directories, machine: options.machine, volume: source.name)
        var old: FingerprintFile?
        var new: FingerprintFile?
        if options.usesFingerprints, !options.isDryRun {
            if let parentVolume {
                old = FingerprintFile.open(
                    path, root: parentRoot, size: parentVolume.size, chunkSize: chunkSize)
            }
            new = try FingerprintFile.create(path, key: old?.key)
        }
        let batchChunks = VolumePipeline.batchChunks(chunkSize: chunkSize)
        let scan = FileScanSource(
            volume, chunkSize: chunkSize, batchChunks: batchChunks, changed: nil)
        let builder = try BlockMapBuilder(
            chunkCount: BlockMapShape.chunkCount(size: volume.size, chunkSize: chunkSize),
            parent: parentRoot, nodes: nodes, sink: session, forgivesDamage: true)
        do throws(LifeboatError) {
            let outcome = try drive(
                scan, volume, builder, old, new, inUse: inUse, warnings: warnings,
                audited: audited, method: old == nil ? "full" : "fingerprints")
            var result = outcome
            if let new {
                result.fingerprints = Fingerprints(
                    file: new, path: path,
                    root: BlockMapRoot(id: outcome.volume.root, levels: outcome.volume.levels),
                    size: volume.size, chunkSize: chunkSize, isNew: true)
            }
            return result
        } catch {
            new?.drop()
            throw error
        }
    }

    private func scanHinted(
        _ volume: any VolumeReader, _ hint: Hint, audited: UInt64
    ) throws(LifeboatError) -> Outcome {
        let inUse = volume.inUse
        let path = FingerprintFile.path(
            repository.directories, machine: options.machine, volume: source.name)
        var tags: FingerprintFile?
        if options.usesFingerprints, !options.isDryRun, let parentVolume {
            tags = FingerprintFile.open(
                path, root: parentRoot, size: parentVolume.size, chunkSize: chunkSize)
            try tags?.invalidate()
        }
        let scan = FileScanSource(
            volume, chunkSize: chunkSize,
            batchChunks: VolumePipeline.batchChunks(chunkSize: chunkSize), changed: hint.chunks)
        let builder = try BlockMapBuilder(
            chunkCount: BlockMapShape.chunkCount(size: volume.size, chunkSize: chunkSize),
            parent: parentRoot, nodes: nodes, sink: session, forgivesDamage: false)
        var outcome = try drive(
            scan, volume, builder, nil, tags, inUse: inUse, warnings: [], audited: audited,
            method: "hint")
        if let tags {
            outcome.fingerprints = Fingerprints(
                file: tags, path: path,
                root: BlockMapRoot(id: outcome.volume.root, levels: outcome.volume.levels),
                size: volume.size, chunkSize: chunkSize, isNew: false)
        }
        return outcome
    }

    private func scanStream() throws(LifeboatError) -> Outcome {
        let scan = StreamScanSource(
            StreamVolume(descriptor: 0, name: "standard input"), chunkSize: chunkSize,
            batchChunks: VolumePipeline.batchChunks(chunkSize: chunkSize))
        // The size shows at the end only: room for a trillion chunks, cut when it is known.
        let builder = try BlockMapBuilder(
            chunkCount: 1 << 40, parent: parentRoot, nodes: nodes, sink: session,
            forgivesDamage: true)
        return try drive(
            scan, nil, builder, nil, nil,
            inUse: "standard input, which says nothing about what wrote it", warnings: [],
            audited: 0, method: "full")
    }

    // MARK: driving

    private func drive(
        _ scan: any ScanSource, _ volume: (any VolumeReader)?, _ builder: BlockMapBuilder,
        _ old: FingerprintFile?, _ new: FingerprintFile?, inUse: String?, warnings: [String],
        audited: UInt64, method: String
    ) throws(LifeboatError) -> Outcome {
        let pipeline = VolumePipeline(
            settings: .init(
                threads: threads, chunkSize: chunkSize, level: options.compressionLevel),
            session: session, source: scan, volume: volume, builder: builder, oldTags: old,
            newTags: new, domain: try repository.requireDomain(), stage: source.name,
            events: events, cancellation: cancellation)
        events.tell(.started(stage: source.name, total: volume?.size))
        try pipeline.run()
        let size = scan.size
        let root = try pipeline.finishMap(
            chunkCount: BlockMapShape.chunkCount(size: size, chunkSize: chunkSize),
            restIsZero: method != "hint")
        events.tell(.finished(stage: source.name))
        var warnings = warnings
        for fault in builder.unreadable { warnings.append(fault.description) }
        var isDegraded = !warnings.isEmpty
        let reason = inUse ?? volume?.inUse
        if let reason {
            warnings.append("consistency is none, because the source is \(reason)")
        }
        if let volume, try volume.currentSize() != size {
            isDegraded = true
            warnings.append(
                "the source changed its size from \(size) to "
                    + "\(try volume.currentSize()) bytes while it was read")
        }
        for warning in warnings { events.tell(.warning("\(source.name): \(warning)")) }
        let counts = pipeline.totals
        let consistency: ConsistencyLevel = reason == nil ? source.consistency ?? .crash : .none
        let unchanged =
            method == "hint" ? size - min(size, counts.read) : counts.unchanged
        var outcome = Outcome(
            result: VolumeBackupResult(
                name: source.name, size: size, bytesRead: counts.read, bytesNew: counts.new,
                bytesStored: pipeline.storedBytes, bytesZero: counts.zero,
                bytesUnchanged: unchanged, consistency: consistency, method: method,
                bytesAudited: audited, isDegraded: isDegraded, warnings: warnings),
            volume: PointBody.Volume(
                name: source.name, size: size, root: root.id, levels: root.levels,
                consistency: consistency, method: method, bytesRead: counts.read,
                bytesNew: counts.new, bytesStored: pipeline.storedBytes, bytesZero: counts.zero,
                bytesUnchanged: unchanged, warnings: warnings))
        outcome.volume.content = source.content
        return outcome
    }
}
