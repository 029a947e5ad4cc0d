import LifeboatCore
import LifeboatSystem
import LifeboatVolume

/// The frozen disks of one run.
///
/// A filter between each device and its node copies what the guest overwrites to a scratch file
/// first; where that cannot be done, the snapshot breaks and the guest's write goes on.
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
    private let watch = Condition()
    private let hasEnded = Guarded(false)
    private let watcher = Guarded<Threads.Handle?>(nil)

    /// Like libvirt's and QEMU's own.
    private static let granularity: Int64 = 1 << 16
    /// A guest's write waits no longer for a scratch file that does not answer.
    private static let copySeconds: Int64 = 20
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
                try Self.addNodes(client, names, index, member.disk, file)
            }
            try Self.startServer(client, socket)
        } catch {
            _ = scratch.remove()
            throw error
        }
        self.scratch = scratch
    }

    private static func addNodes(
        _ client: QMPClient, _ names: QEMUNames, _ index: Int, _ disk: QEMUDisk,
        _ file: (path: String, bound: UInt64)
    ) throws(LifeboatError) {
        try client.call(
            "blockdev-add",
            [
                "driver": "qcow2", "node-name": .string(names.scratch(index)), "discard": "unmap",
                "file": [
                    "driver": "raw", "size": .integer(Int64(clamping: file.bound)),
                    "file": ["driver": "file", "filename": .string(file.path)],
                ],
            ], timeoutSeconds: nodeSeconds)
        try client.call(
            "blockdev-add",
            [
                "driver": "copy-before-write", "node-name": .string(names.filter(index)),
                "file": .string(disk.node), "target": .string(names.scratch(index)),
                "on-cbw-error": "break-snapshot", "cbw-timeout": .integer(copySeconds),
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

    /// Starts recording changes anew, and puts the filters in, all at one instant.
    func start(isRunning: Bool, timeoutSeconds: Double) throws(LifeboatError) {
        let deadline = Clock.monotonicSeconds() + timeoutSeconds
        // The new bitmaps start before the snapshot, and the old ones are looked at after it: so
        // neither misses a write, and what both have is read twice at worst.
        try transaction(
            members.enumerated().flatMap { index, member in
                [
                    add(names.bitmap(request.snapshot), member.disk, records: true),
                    add(names.marker(index), member.disk, records: false),
                ]
            }, deadline)
        var commands = members.enumerated().map { index, member in
            QMPClient.Command(
                "qom-set",
                [
                    "path": .string(member.disk.device), "property": "drive",
                    "value": .string(names.filter(index)),
                ])
        }
        // One disk has one instant anyway.
        if isRunning, members.count > 1 { commands = [.init("stop")] + commands + [.init("cont")] }
        let results = try client.callAll(
            commands, timeoutSeconds: deadline - Clock.monotonicSeconds())
        for result in results { _ = try result.get() }
        startWatcher()
        try transaction(
            members.enumerated().compactMap { index, member in
                guard let base = member.base else { return nil }
                return [
                    "type": "block-dirty-bitmap-merge",
                    "data": [
                        "node": .string(member.disk.node),
                        "target": .string(names.marker(index)),
                        "bitmaps": [.string(names.bitmap(base.snapshot))],
                    ],
                ]
            }, deadline)
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

    private func transaction(_ actions: [JSON], _ deadline: Double) throws(LifeboatError) {
        guard !actions.isEmpty else { return }
        try client.call(
            "transaction", ["actions": .array(actions)],
            timeoutSeconds: deadline - Clock.monotonicSeconds())
    }

    // MARK: reading

    func open() throws(LifeboatError) -> [SnapshotVolume] {
        var volumes: [SnapshotVolume] = []
        for (index, member) in members.enumerated() {
            volumes.append(try open(index, member))
        }
        return volumes
    }

    private func open(_ index: Int, _ member: Member) throws(LifeboatError) -> SnapshotVolume {
        try client.call(
            "blockdev-add",
            [
                "driver": "snapshot-access", "node-name": .string(names.access(index)),
                "file": .string(names.filter(index)),
            ], timeoutSeconds: Self.nodeSeconds)
        var export: [String: JSON] = [
            "type": "nbd", "id": .string(names.export(index)),
            "node-name": .string(names.access(index)), "name": .string(names.export(index)),
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
        let uri = "nbd+unix:///\(names.export(index))?socket=\(Self.escaped(socket))"
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

    private static func escaped(_ path: String) -> String {
        path.utf8.map { byte in
            let character = Character(UnicodeScalar(byte))
            let isPlain =
                character.isASCII && (character.isLetter || character.isNumber)
                || "/-._~".contains(character)
            let hex = String(byte, radix: 16, uppercase: true)
            return isPlain ? String(character) : "%" + (hex.count < 2 ? "0" : "") + hex
        }.joined()
    }

    private func failure(of name: String, hasFailed: Bool) -> LifeboatError? {
        if let broken = broken.withLock({ $0 }) { return broken.about(name) }
        guard hasFailed else { return nil }
        if !client.isOpen {
            return LifeboatError(
                .unavailable, "QEMU ended while \(name) was read", subject: name,
                advice: "start the machine, and back up again")
        }
        return scratch.isFull ? scratch.fullError(name) : nil
    }

    // MARK: watching

    /// Gives the snapshot up where the files together outgrow their bound: one alone cannot.
    private func startWatcher() {
        let handle = Threads.start(name: "scratch") { [weak self] in
            while let self {
                guard self.goesOn() else { return }
                guard self.scratch.allocated > self.scratch.bound else { continue }
                self.broken.withLock {
                    $0 = self.scratch.fullError(self.members.first?.disk.name ?? "the snapshot")
                }
                var cleaner = QEMUCleaner(client: self.client, names: self.names, kept: [:])
                cleaner.removeExports()
                cleaner.restoreDrives()
                return
            }
        }
        watcher.withLock { $0 = handle }
    }

    private func goesOn() -> Bool {
        watch.withLock {
            if !hasEnded.withLock({ $0 }) { _ = watch.wait(seconds: 0.5) }
            return !hasEnded.withLock { $0 }
        }
    }

    /// Removes files and ends threads; what QEMU has is the cleaner's.
    func end() {
        watch.withLock {
            hasEnded.withLock { $0 = true }
            watch.broadcast()
        }
        watcher.withLock { $0 }?.join()
    }

    func removeFiles() -> [String] {
        try? Files.remove(socket)
        return scratch.remove()
    }
}
