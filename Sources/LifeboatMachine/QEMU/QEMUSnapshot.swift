import LifeboatCore
import LifeboatSystem
import LifeboatVolume

/// The frozen disks of one run.
///
/// A backup job of QEMU's copies what the guest overwrites to a scratch file first. The jobs are
/// ended before the files are full, since then QEMU holds the guest at its write.
///
/// The filter `copy-before-write` with `snapshot-access`, which could break the snapshot instead,
/// is not used: in QEMU 7.2 its snapshots read zeros where the guest writes zeros meanwhile.
final class QEMUSnapshot: Sendable {
    /// A disk with what its next point starts from.
    struct Member: Sendable {
        var disk: QEMUDisk
        var base: SnapshotRequest.Base?
        var notes: [String]
    }

    let client: QMPClient
    let names: QEMUNames
    let request: SnapshotRequest
    let members: [Member]
    let scratch: QEMUScratch
    private let socket: String
    private let broken = Guarded<LifeboatError?>(nil)
    private let watch = Guarded<ScratchWatch?>(nil)

    /// Like libvirt's and QEMU's own.
    private static let granularity: Int64 = 1 << 16
    private static let nodeSeconds = 30.0

    /// Makes all that is needed but freezes nothing.
    init(
        client: QMPClient, names: QEMUNames, request: SnapshotRequest, members: [Member]
    ) throws(LifeboatError) {
        self.client = client
        self.names = names
        self.request = request
        self.members = members
        socket = "\(request.runDirectory)/\(names.socket)"
        var scratch = try QEMUScratch(
            directory: request.scratchDirectory, bound: request.policy.scratchBytes)
        do throws(LifeboatError) {
            for (index, member) in members.enumerated() {
                let file = try scratch.add(
                    names.scratchFile(request.snapshot, index), size: member.disk.size)
                try Self.addNode(client, names, index, member.disk, file)
            }
            try Self.startServer(client, socket)
        } catch {
            _ = scratch.remove()
            throw error
        }
        self.scratch = scratch
    }

    deinit { end() }

    private static func addNode(
        _ client: QMPClient, _ names: QEMUNames, _ index: Int, _ disk: QEMUDisk,
        _ path: String
    ) throws(LifeboatError) {
        try client.call(
            "blockdev-add",
            [
                "driver": "qcow2", "node-name": .string(names.scratch(index)),
                "backing": .string(disk.node),
                "file": ["driver": "file", "filename": .string(path)],
            ], timeoutSeconds: nodeSeconds)
    }

    private static func startServer(_ client: QMPClient, _ socket: String) throws(LifeboatError) {
        try? Files.remove(socket)
        do throws(LifeboatError) {
            try client.call(
                "nbd-server-start",
                ["addr": ["type": "unix", "data": ["path": .string(socket)]]])
        } catch {
            guard error.code == .denied, error.cause?.contains("already running") == true else {
                throw error
            }
            throw LifeboatError(
                .refused, "this QEMU runs an NBD server already, and it can have but one",
                subject: client.path, advice: "stop it with nbd-server-stop, or wait for its end")
        }
    }

    // MARK: starting

    /// Starts recording changes anew and freezes all disks, in one transaction.
    func start(timeoutSeconds: Double) throws(LifeboatError) {
        let deadline = Clock.monotonicSeconds() + timeoutSeconds
        var actions: [JSON] = []
        for (index, member) in members.enumerated() {
            let node = JSON.string(member.disk.node)
            actions.append(add(names.marker(index), member.disk, records: false))
            if let base = member.base {
                actions.append([
                    "type": "block-dirty-bitmap-merge",
                    "data": [
                        "node": node, "target": .string(names.marker(index)),
                        "bitmaps": [.string(names.bitmap(base.snapshot))],
                    ],
                ])
            }
            actions.append(add(names.bitmap(request.snapshot), member.disk, records: true))
            actions.append([
                "type": "blockdev-backup",
                "data": [
                    "job-id": .string(names.job(index)), "device": node, "sync": "none",
                    "target": .string(names.scratch(index)),
                    "filter-node-name": .string(names.filter(index)),
                ],
            ])
        }
        let wasStuck = client.isStoppedByFailedWrite
        try client.call(
            "transaction", ["actions": .array(actions)],
            timeoutSeconds: deadline - Clock.monotonicSeconds())
        startWatch(wasStuck: wasStuck)
    }

    private func add(_ bitmap: String, _ disk: QEMUDisk, records: Bool) -> JSON {
        [
            "type": "block-dirty-bitmap-add",
            "data": [
                "node": .string(disk.node), "name": .string(bitmap),
                "persistent": .bool(records && disk.keepsBitmaps), "disabled": .bool(!records),
                "granularity": .integer(Self.granularity),
            ],
        ]
    }

    // MARK: reading

    func open() throws(LifeboatError) -> [SnapshotVolume] {
        var volumes: [SnapshotVolume] = []
        for (index, member) in members.enumerated() {
            do throws(LifeboatError) {
                volumes.append(try open(index, member))
            } catch {
                // What was given up already takes no readers any more.
                throw broken.withLock { $0 }?.about(member.disk.name) ?? error
            }
        }
        return volumes
    }

    private func open(_ index: Int, _ member: Member) throws(LifeboatError) -> SnapshotVolume {
        var export: [String: JSON] = [
            "type": "nbd", "id": .string(names.export(index)),
            "node-name": .string(names.scratch(index)), "name": .string(names.export(index)),
            "writable": false,
        ]
        var options = NBDOptions()
        options.name = member.disk.name
        options.isFrozen = true
        if member.base != nil {
            let marker = names.marker(index)
            export["bitmaps"] = [["node": .string(member.disk.node), "name": .string(marker)]]
            options.dirtyContext = "qemu:dirty-bitmap:\(marker)"
        }
        try client.call("block-export-add", export)
        let uri = NBDAddress.local(export: names.export(index), socket: socket)
        let volume = try NBDVolume(uri: uri, options: options)
        let reader = QEMUVolume(name: member.disk.name, volume: volume) { [weak self] hasFailed in
            self?.failure(of: member.disk.name, hasFailed: hasFailed)
        }
        var opened = SnapshotVolume(name: member.disk.name, reader: reader)
        opened.notes = member.notes
        if let base = member.base {
            var extents = try volume.changedExtents()
            if volume.size > base.size {
                extents = Self.grown(extents, from: base.size, to: volume.size)
            }
            opened.changes = VolumeChanges(base: base.snapshot, extents: extents)
        }
        return opened
    }

    /// The extents and all beyond the old end, which no bitmap tells of.
    static func grown(_ extents: [Extent], from old: UInt64, to new: UInt64) -> [Extent] {
        let below = extents.compactMap { extent -> Extent? in
            guard extent.offset < old else { return nil }
            return Extent(offset: extent.offset, length: min(extent.end, old) - extent.offset)
        }
        return below + [Extent(offset: old, length: new - old)]
    }

    private func failure(of name: String, hasFailed: Bool) -> LifeboatError? {
        if let broken = broken.withLock({ $0 }) { return broken.about(name) }
        guard hasFailed else { return nil }
        if !client.isOpen {
            return LifeboatError(
                .unavailable, "QEMU ended while \(name) was read", subject: name,
                advice: "start the machine, and back up again")
        }
        return scratch.isFull ? scratch.fullError(name, "no room is left") : nil
    }

    // MARK: watching

    /// Gives the snapshot up where the files outgrow their bound, or the guest is held already.
    private func startWatch(wasStuck: Bool) {
        let name = members.first?.disk.name ?? "the snapshot"
        let watch = ScratchWatch(
            seconds: 0.1, directory: scratch.directory, limit: scratch.bound,
            reserve: scratch.reserve, used: { [scratch] in scratch.allocated },
            left: { [scratch] in Files.availableBytes(scratch.directory) ?? .max },
            isStuck: { [client] in !wasStuck && client.isStoppedByFailedWrite }
        ) { [client, names, broken, scratch] why in
            broken.withLock { $0 = scratch.fullError(name, why) }
            var cleaner = QEMUCleaner(client: client, names: names, kept: [:])
            cleaner.removeExports()
            cleaner.cancelJobs()
        }
        self.watch.withLock { $0 = watch }
    }

    /// Ends the thread that watches; what QEMU has is the cleaner's.
    func end() {
        watch.withLock { watch in
            defer { watch = nil }
            return watch
        }?.end()
    }

    func removeFiles() -> [String] {
        try? Files.remove(socket)
        return scratch.remove()
    }
}
