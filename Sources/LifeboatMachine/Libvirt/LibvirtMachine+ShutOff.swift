internal import LifeboatCore
internal import LifeboatSystem
internal import LifeboatVolume

/// Domains that are shut off.
///
/// libvirt makes no checkpoint of such a domain. Its qcow2 images get a bitmap with the checkpoint's
/// name instead; when the domain runs again that one records, and the next backup tells libvirt of
/// it. While an image is read, QEMU's lock on it keeps the domain from starting.
extension LibvirtMachine {
    func prepareShutOff(
        _ request: SnapshotRequest, _ xml: DomainXML
    ) throws(LifeboatError) {
        guard address.isLocal else {
            throw LifeboatError(
                .refused, "\(name) is shut off, and its disks are on another host", subject: name,
                advice: "start it, paused if need be, or back it up on that host")
        }
        let (selected, notes) = try Self.selectDisks(xml, request.policy, machine: name)
        let wanted = Set(
            request.bases.values.map {
                SnapshotName(line: request.line, snapshot: $0.snapshot).text
            })
        var disks: [Disk] = []
        var more = notes
        for disk in selected {
            guard let path = try domain().connection.path(of: disk) else {
                throw LifeboatError(
                    .refused,
                    "the disk \(disk.target) of \(name) is on \(disk.kind) storage, which can be "
                        + "read only while the machine runs", subject: name,
                    advice: "start it, paused if need be, or leave the disk out")
            }
            let image = try ImageTool.information(path, format: disk.format)
            let canTrack = image.keepsBitmaps
            var result = Disk(
                name: disk.target, size: image.size, format: disk.format, path: path, since: nil,
                base: request.bases[disk.target], scratch: "", isTracked: canTrack, notes: [])
            if let base = result.base, canTrack {
                let bitmap = SnapshotName(line: request.line, snapshot: base.snapshot).text
                switch image.bitmaps.first(where: { $0.name == bitmap })?.isReliable {
                case true?: result.since = bitmap
                case false?:
                    result.notes.append(
                        "the record of changes \(bitmap) is broken, so all of it was read")
                case nil:
                    result.notes.append(
                        "the record of changes \(bitmap) is gone, so all of it was read")
                }
            }
            for bitmap in image.bitmaps.map(\.name).sorted()
            where SnapshotName(bitmap)?.line == request.line && !wanted.contains(bitmap) {
                do throws(LifeboatError) {
                    try ImageTool.removeBitmap(bitmap, of: path)
                } catch {
                    more.append("not cleaned up: \(error)")
                }
            }
            disks.append(result)
        }
        state.withLock {
            $0.disks = disks
            $0.notes = more
        }
    }

    func startShutOff(_ request: SnapshotRequest, _ disks: [Disk]) throws(LifeboatError) {
        guard try !domain().isActive() else {
            throw LifeboatError(
                .refused, "\(name) was started just now", subject: name,
                advice: "back it up again, as a running machine")
        }
        state.withLock { $0.hasSnapshot = true }
        let own = SnapshotName(line: request.line, snapshot: request.snapshot).text
        for disk in disks where disk.isTracked {
            try ImageTool.addBitmap(own, to: disk.path ?? "")
        }
    }

    func openShutOff(
        _ disk: Disk, _ request: SnapshotRequest
    ) throws(LifeboatError) -> SnapshotVolume {
        let path = disk.path ?? ""
        guard let format = ImageFormat(rawValue: disk.format) else {
            throw LifeboatError(
                .unsupported,
                "the format \(disk.format) of \(path) cannot be read while \(name) "
                    + "is shut off", subject: name, advice: "back it up while it runs")
        }
        let server = try ImageServer(path: path, format: format, bitmap: disk.since)
        state.withLock { $0.servers.append(server) }
        var options = NBDOptions()
        options.name = "\(name)/\(disk.name)"
        options.isFrozen = true
        options.dirtyContext = disk.since.map(ImageServer.dirtyContext)
        let reader = try NBDVolume(uri: server.uri, options: options)
        return finishOpening(disk, reader) { () throws(LifeboatError) in
            try reader.changedExtents()
        }
    }

    func finishShutOff(_ request: SnapshotRequest, isDurable: Bool) -> [String] {
        let (disks, hasSnapshot) = state.withLock { ($0.disks, $0.hasSnapshot) }
        guard hasSnapshot else { return [] }
        let own = SnapshotName(line: request.line, snapshot: request.snapshot).text
        var warnings: [String] = []
        for disk in disks where disk.isTracked {
            do throws(LifeboatError) {
                let path = disk.path ?? ""
                let image = try ImageTool.information(path, format: disk.format)
                for bitmap in image.bitmaps.map(\.name).sorted()
                where SnapshotName(bitmap)?.line == request.line
                    && (isDurable ? bitmap != own : bitmap == own)
                {
                    try ImageTool.removeBitmap(bitmap, of: path)
                }
            } catch {
                warnings.append("bitmaps of \(disk.name) of \(name) are left: \(error)")
            }
        }
        return warnings
    }
}
