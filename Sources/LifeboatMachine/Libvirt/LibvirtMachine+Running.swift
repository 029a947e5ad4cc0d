internal import Glibc
internal import LifeboatCore
internal import LifeboatSystem
internal import LifeboatVolume

/// Running domains.
extension LibvirtMachine {
    func prepareRunning(
        _ request: SnapshotRequest, _ domain: LibvirtDomain, _ xml: DomainXML
    ) throws(LifeboatError) {
        try endStaleJob(request, domain)
        try makeFolders(request, domain.connection, xml.owner)
        let (selected, notes) = try Self.selectDisks(xml, request.policy, machine: name)
        let bitmaps = try Self.bitmaps(domain)
        let plan = CheckpointPlan(
            line: request.line, bases: request.bases.mapValues(\.snapshot),
            disks: selected.map { disk in
                CheckpointPlan.Disk(
                    name: disk.target, canTrack: disk.format == "qcow2",
                    bitmaps: disk.index.flatMap { bitmaps[$0] } ?? [])
            }, checkpoints: try Self.knownCheckpoints(domain),
            foreignCheckpoints: request.policy.foreignCheckpoints)
        if let refusal = plan.refusal {
            throw LifeboatError(
                .refused, "\(name) is not backed up: \(refusal)", subject: name,
                advice: "let them stay beside ours, or have them deleted, by the policy for them")
        }
        var modes = plan.modes
        var more = notes
        for action in plan.actions {
            perform(action, domain, xml, selected, notes: &more, modes: &modes)
        }
        var disks: [Disk] = []
        for disk in selected {
            let size = try domain.blockInformation(disk.target).capacity
            var result = Disk(
                name: disk.target, size: size, format: disk.format, path: disk.source,
                since: nil, base: request.bases[disk.target],
                scratch: Self.scratch(request, disk.target), isTracked: disk.format == "qcow2",
                notes: [])
            switch modes[disk.target] {
            case .incremental(let since)?: result.since = since
            case .whole(let why?)?: result.notes.append(why)
            case .whole(nil)?, nil: break
            }
            disks.append(result)
        }
        state.withLock {
            $0.disks = disks
            $0.notes = more
        }
    }

    /// Ends a backup job that a died run of this line left, and refuses to touch any other.
    private func endStaleJob(
        _ request: SnapshotRequest, _ domain: LibvirtDomain
    ) throws(LifeboatError) {
        guard try !Self.endJob(domain, of: "/" + Self.prefix(request.line)),
            let job = try domain.backupXML()
        else { return }
        let server = XMLTree.parse(job)?["server"]
        let place =
            server?.attribute("socket")
            ?? server.map { "\($0.attribute("name") ?? ""):\($0.attribute("port") ?? "")" } ?? ""
        throw LifeboatError(
            .refused, "\(name) has a backup job of another program", subject: name,
            cause: place.isEmpty ? nil : "it serves \(place)",
            advice: "wait until it has ended, or end it with `virsh domjobabort \(name)`")
    }

    /// What QEMU says of bitmaps on topmost images, by libvirt's number of the image.
    static func bitmaps(
        _ domain: LibvirtDomain
    ) throws(LifeboatError) -> [Int: [CheckpointPlan.Bitmap]] {
        let nodes = try domain.monitorCommand(
            "query-named-block-nodes", arguments: ["flat": true])
        var result: [Int: [CheckpointPlan.Bitmap]] = [:]
        for node in nodes.list ?? [] {
            let parts = (node["node-name"]?.text ?? "").split(separator: "-")
            guard parts.count == 3, parts[0] == "libvirt", parts[2] == "format",
                let index = Int(parts[1])
            else { continue }
            result[index] = (node["dirty-bitmaps"]?.list ?? []).compactMap { bitmap in
                bitmap["name"]?.text.map {
                    CheckpointPlan.Bitmap(
                        name: $0, isRecording: bitmap["recording"]?.flag ?? false,
                        isInconsistent: bitmap["inconsistent"]?.flag ?? false,
                        isBusy: bitmap["busy"]?.flag ?? false)
                }
            }
        }
        return result
    }

    static func knownCheckpoints(
        _ domain: LibvirtDomain
    ) throws(LifeboatError) -> [CheckpointPlan.Checkpoint] {
        var result: [CheckpointPlan.Checkpoint] = []
        for checkpoint in try domain.checkpoints() {
            let disks = XMLTree.parse(try domain.xml(of: checkpoint))?["disks"]?.all("disk") ?? []
            let bitmaps = disks.filter { $0.attribute("checkpoint") == "bitmap" }
                .map { disk in
                    (
                        disk.attribute("name") ?? "",
                        disk.attribute("bitmap") ?? checkpoint.name
                    )
                }
            result.append(
                CheckpointPlan.Checkpoint(
                    name: checkpoint.name, bitmaps: Dictionary(bitmaps) { first, _ in first }))
        }
        return result
    }

    private func perform(
        _ action: CheckpointPlan.Action, _ domain: LibvirtDomain, _ xml: DomainXML,
        _ disks: [DomainXML.Disk], notes: inout [String],
        modes: inout [String: CheckpointPlan.Mode]
    ) {
        do throws(LifeboatError) {
            switch action {
            case .deleteCheckpoint(let name): try delete(name, domain, xml)
            case .removeBitmap(let disk, let bitmap):
                guard let index = xml.disks.first(where: { $0.target == disk })?.index else {
                    return
                }
                try Self.removeBitmap(bitmap, index, domain)
            case .redefine(let name, let covered):
                let definition = BackupXML.forgotten(
                    name, disks: covered,
                    others: xml.disks.map(\.target).filter { !covered.contains($0) },
                    creationSeconds: Clock.milliseconds() / 1000,
                    domain: try domain.xml([.inactive]))
                try domain.redefineCheckpoint(xml: definition)
            }
        } catch {
            if case .redefine(let name, let covered) = action {
                for disk in covered {
                    modes[disk] = .whole(
                        because: "libvirt does not take back the checkpoint \(name), "
                            + "so all of it was read: \(error.cause ?? error.message)")
                }
            } else {
                notes.append("not cleaned up: \(error)")
            }
        }
    }

    /// Deletes a checkpoint with its bitmaps, whatever state they are in.
    func delete(
        _ name: String, _ domain: LibvirtDomain, _ xml: DomainXML
    ) throws(LifeboatError) {
        guard let checkpoint = try domain.checkpoints().first(where: { $0.name == name }) else {
            return
        }
        do throws(LifeboatError) {
            try domain.deleteCheckpoint(checkpoint)
        } catch {
            try domain.deleteCheckpoint(checkpoint, onlyMetadata: true)
            for (index, bitmaps) in try Self.bitmaps(domain)
            where bitmaps.contains(where: { $0.name == name && !$0.isBusy }) {
                try Self.removeBitmap(name, index, domain)
            }
        }
    }

    private static func removeBitmap(
        _ name: String, _ index: Int, _ domain: LibvirtDomain
    ) throws(LifeboatError) {
        _ = try domain.monitorCommand(
            "block-dirty-bitmap-remove",
            arguments: ["node": .string("libvirt-\(index)-format"), "name": .string(name)])
    }

    // MARK: the job

    func startRunning(
        _ request: SnapshotRequest, _ disks: [Disk], timeoutSeconds: Double
    ) throws(LifeboatError) {
        let deadline = Clock.monotonicSeconds() + timeoutSeconds
        let domain = try domain()
        state.withLock {
            $0.hasJob = true
            $0.hasSnapshot = true
        }
        do throws(LifeboatError) {
            try begin(request, disks, domain, timeoutSeconds: timeoutSeconds)
        } catch {
            let left = deadline - Clock.monotonicSeconds()
            // Broken tracking is no reason to have no backup.
            guard error.code == .damaged || error.code == .missing, left > 1,
                disks.contains(where: { $0.since != nil })
            else { throw error }
            let whole = disks.map { disk in
                guard disk.since != nil else { return disk }
                var changed = disk
                changed.since = nil
                changed.notes.append(
                    "its record of changes cannot be used, so all of it was read: "
                        + (error.cause ?? error.message))
                return changed
            }
            try begin(request, whole, domain, timeoutSeconds: left)
            state.withLock { $0.disks = whole }
        }
        watchScratch(request, disks, domain)
    }

    private func begin(
        _ request: SnapshotRequest, _ disks: [Disk], _ domain: LibvirtDomain,
        timeoutSeconds: Double
    ) throws(LifeboatError) {
        let chosen = Dictionary(disks.map { ($0.name, $0) }) { first, _ in first }
        let all = state.withLock { $0.xml.disks }.map { disk in
            let own = chosen[disk.target]
            return BackupXML.Disk(
                name: disk.target, scratch: own?.scratch, since: own?.since,
                isTracked: own?.isTracked ?? false)
        }
        let checkpoint = SnapshotName(line: request.line, snapshot: request.snapshot).text
        let deadline = Clock.monotonicSeconds() + timeoutSeconds
        for attempt in 1... {
            do throws(LifeboatError) {
                return try domain.beginBackup(
                    xml: BackupXML.backup(all, server: server(request)),
                    checkpointXML: all.contains { $0.isTracked }
                        ? BackupXML.checkpoint(checkpoint, all) : nil,
                    timeoutSeconds: max(0.1, deadline - Clock.monotonicSeconds()))
            } catch {
                guard attempt < Self.portAttempts, Clock.monotonicSeconds() < deadline,
                    takesOtherPort(after: error)
                else { throw error }
            }
        }
    }

    private func watchScratch(
        _ request: SnapshotRequest, _ disks: [Disk], _ domain: LibvirtDomain
    ) {
        let isLocal = address.isLocal
        let free =
            isLocal
            ? Files.availableBytes(request.scratchDirectory) ?? .max
            : state.withLock { $0.freeBytes }
        let limit = request.policy.scratchBytes ?? free / 10 * 9
        let wasStuck = (try? domain.isPausedByDiskError()) ?? false
        let files = disks.map(\.scratch)
        let directory = request.scratchDirectory
        let watch = ScratchWatch(
            seconds: isLocal ? 0.1 : 1, directory: directory, limit: limit, reserve: free / 20,
            used: { [self] in
                guard !isLocal else {
                    return files.reduce(0) { $0 + ScratchWatch.allocated($1) }
                }
                let used = (try? self.domain().jobStatistics())?["disk_temp_used"]?.integer
                return UInt64(clamping: used ?? 0)
            },
            left: { isLocal ? Files.availableBytes(directory) ?? .max : .max },
            // By now libvirt may have been restarted.
            isStuck: { [self] in
                !wasStuck && (try? self.domain().isPausedByDiskError()) == true
            }
        ) { [self] why in
            state.withLock {
                $0.failure = LifeboatError(
                    .full, "the backup of \(name) was given up so that its guest can write",
                    subject: name, cause: why,
                    advice: "give scratch files more room, or back up when less is written")
            }
            guard let domain = try? self.domain() else { return }
            try? domain.abortJob()
            // Without the job its write needs no room in a scratch file any more.
            if !wasStuck, (try? domain.isPausedByDiskError()) == true { try? domain.resume() }
        }
        state.withLock { $0.watch = watch }
    }

    func openRunning(
        _ disk: Disk, _ request: SnapshotRequest
    ) throws(LifeboatError) -> SnapshotVolume {
        var options = NBDOptions()
        options.name = "\(name)/\(disk.name)"
        options.isFrozen = true
        if disk.since != nil {
            options.dirtyContext = ImageServer.dirtyContext(BackupXML.exportBitmap(disk.name))
        }
        let uri = exportURI(disk.name, request, &options)
        let reader: NBDVolume
        do throws(LifeboatError) {
            reader = try NBDVolume(uri: uri, options: options)
        } catch {
            throw diagnose(error)
        }
        return finishOpening(disk, reader) { () throws(LifeboatError) in
            try reader.changedExtents()
        }
    }

    /// Asks for the changes, and wraps the reader so that it tells why it fails.
    func finishOpening(
        _ disk: Disk, _ reader: any VolumeReader,
        changes: () throws(LifeboatError) -> [Extent]
    ) -> SnapshotVolume {
        var volume = SnapshotVolume(
            name: disk.name,
            reader: FrozenVolume(reader, name: "\(name)/\(disk.name)") { [state] in
                state.withLock { $0.failure }
            } diagnosis: { [self] in
                diagnose($0)
            })
        guard disk.since != nil, let base = disk.base else { return volume }
        do throws(LifeboatError) {
            var extents = try changes()
            // What a disk grew by was never written, and so is in no bitmap.
            if reader.size > base.size {
                extents.removeAll { $0.offset >= base.size }
                extents = extents.map {
                    Extent(offset: $0.offset, length: min($0.end, base.size) - $0.offset)
                }
                extents.append(Extent(offset: base.size, length: reader.size - base.size))
            }
            volume.changes = VolumeChanges(base: base.snapshot, extents: extents)
        } catch {
            volume.notes.append("its changes could not be asked for, so all was read: \(error)")
        }
        return volume
    }

    /// Says so where reading failed because the machine has stopped, which ends its snapshot.
    private func diagnose(_ error: LifeboatError) -> LifeboatError {
        if let fault = state.withLock({ $0.tunnel })?.fault { return fault.about(name) }
        guard isRunning, let domain = try? domain(), let isActive = try? domain.isActive(),
            !isActive
        else { return error }
        return LifeboatError(
            .unreadable, "\(name) stopped while it was backed up, and its snapshot with it",
            subject: name, cause: error.cause ?? error.message,
            advice: "back it up again, running or shut off")
    }

    func finishRunning(_ request: SnapshotRequest, isDurable: Bool) -> [String] {
        var warnings: [String] = []
        func attempt(_ what: String, _ body: () throws(LifeboatError) -> Void) {
            do throws(LifeboatError) {
                try body()
            } catch {
                warnings.append("\(what): \(error)")
            }
        }
        let (hasJob, hasSnapshot, xml) = state.withLock { ($0.hasJob, $0.hasSnapshot, $0.xml) }
        attempt("the backup job of \(name) is left") { () throws(LifeboatError) in
            let domain = try domain()
            guard hasJob else { return }
            // As long as it ends, libvirt removes its scratch files.
            _ = try Self.endJob(
                domain, of: "/\(Self.prefix(request.line))\(request.snapshot)/")
        }
        warnings += removeFolders(request)
        guard hasSnapshot else { return warnings }
        let own = SnapshotName(line: request.line, snapshot: request.snapshot).text
        attempt("checkpoints of \(name) are left") { () throws(LifeboatError) in
            let domain = try domain()
            // Gone with its process, or about to be looked at by the next run.
            guard try domain.isActive() else { return }
            for checkpoint in try domain.checkpoints().reversed() {
                guard SnapshotName(checkpoint.name)?.line == request.line else { continue }
                let isOwn = checkpoint.name == own
                // A disk that this point leaves out has no base any more, which costs a read.
                guard isDurable != isOwn else { continue }
                try delete(checkpoint.name, domain, xml)
            }
        }
        return warnings
    }
}
