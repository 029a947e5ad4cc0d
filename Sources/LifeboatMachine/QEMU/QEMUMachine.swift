public import LifeboatCore
import LifeboatSystem

/// A machine that QEMU runs without libvirt, reached by its QMP socket.
public final class QEMUMachine: ProtectedMachine {
    public let name: String
    public let platform: String
    private let location: QEMULocation
    private let client: QMPClient

    private struct State {
        var request: SnapshotRequest?
        var snapshot: QEMUSnapshot?
        /// Whether the guest's processors stand because we stopped them.
        var isPaused = false
    }

    private let state = Guarded(State())

    /// The first QEMU whose exports have bitmaps of other nodes.
    private static let oldest = [7, 1, 0]

    /// Connects to QEMU.
    ///
    /// - Throws: `.unavailable` where no QEMU answers, `.unsupported` where it is too old.
    public init(_ location: QEMULocation, timeoutSeconds: Double = 10) throws(LifeboatError) {
        self.location = location
        let client = try QMPClient(path: location.socket, timeoutSeconds: timeoutSeconds)
        self.client = client
        let version = client.version.map(String.init).joined(separator: ".")
        platform = "QEMU \(version)"
        guard !client.version.lexicographicallyPrecedes(Self.oldest) else {
            throw LifeboatError(
                .unsupported, "QEMU \(version) is older than 7.1", subject: location.socket,
                advice: "restart the machine with a newer QEMU")
        }
        if let name = location.name {
            self.name = name
        } else if let name = try client.call("query-name")["name"]?.text, !name.isEmpty {
            self.name = name
        } else {
            throw LifeboatError(
                .usage, "this QEMU has no name", subject: location.socket,
                advice: "add ,name=NAME to the source, or start QEMU with -name")
        }
    }

    public var isRunning: Bool {
        (try? client.call("query-status"))?["running"]?.flag == true
    }

    public var quiescer: (any Quiescer)? { location.agent.map { AgentSocket(path: $0) } }

    public var machineAddress: MachineAddress? {
        MachineAddress(monitor: Files.absolute(location.socket))
    }

    public var remains: SnapshotRemains? {
        state.withLock { state in
            guard let request = state.request, state.snapshot != nil,
                let address = machineAddress
            else {
                return nil
            }
            return SnapshotRemains(
                machine: name, address: address, line: request.line, snapshot: request.snapshot,
                runDirectory: Files.absolute(request.runDirectory),
                scratchDirectory: Files.absolute(request.scratchDirectory))
        }
    }

    // MARK: preparing

    public func prepare(_ request: SnapshotRequest) throws(LifeboatError) {
        state.withLock { $0.request = request }
        let names = QEMUNames(line: request.line)
        let before = try disks()
        var kept: [String: Set<String>] = [:]
        for (name, base) in request.bases { kept[name] = [names.bitmap(base.snapshot)] }
        // Before what is inconsistent goes, so that it can be told.
        let damaged = Set(
            before.filter { $0.bitmaps.contains { $0.isInconsistent && names.isOurs($0.name) } }
                .map(\.device))
        var cleaner = QEMUCleaner(client: client, names: names, kept: kept)
        cleaner.run()
        QEMUScratch.removeOrphans(names, in: request.scratchDirectory)
        let wanted = try select(try disks(), request.policy)
        for disk in wanted {
            if let line = names.strangerOfFilter(disk.node) {
                throw LifeboatError(
                    .refused, "\(disk.name) is in a backup of another repository, line \(line)",
                    subject: name,
                    advice: "wait for its end; its next run cleans up after one that died")
            }
            if names.isFilter(disk.node) {
                throw LifeboatError(
                    .refused, "\(disk.name) cannot be freed from a backup that died", subject: name,
                    cause: cleaner.warnings.last, advice: "restart QEMU")
            }
        }
        try handleForeign(wanted, request.policy)
        guard !wanted.isEmpty else { return }
        let members = wanted.map { disk in
            Self.member(disk, request, names, wasDamaged: damaged.contains(disk.device))
        }
        try Files.makeDirectories(request.runDirectory)
        let snapshot = try QEMUSnapshot(
            client: client, names: names, request: request, members: members)
        state.withLock { $0.snapshot = snapshot }
    }

    private func disks() throws(LifeboatError) -> [QEMUDisk] {
        QEMUDisk.find(
            blocks: try client.call("query-block"),
            nodes: try client.call("query-named-block-nodes", ["flat": true]))
    }

    private func select(
        _ disks: [QEMUDisk], _ policy: ProtectionPolicy
    ) throws(LifeboatError) -> [QEMUDisk] {
        if policy.quiesce == .stateless { return [] }
        let known = Set(disks.map(\.name))
        for wanted in policy.includedDisks where !known.contains(wanted) {
            throw LifeboatError(
                .missing, "\(name) has no disk \(wanted)", subject: name,
                advice: "it has " + known.sorted().joined(separator: ", "))
        }
        return disks.filter { disk in
            if disk.isReadOnly || policy.excludedDisks.contains(disk.name) { return false }
            return policy.includedDisks.isEmpty || policy.includedDisks.contains(disk.name)
        }
    }

    /// Other tools' bitmaps are no trouble to ours: what is done about them is the policy's.
    private func handleForeign(
        _ disks: [QEMUDisk], _ policy: ProtectionPolicy
    ) throws(LifeboatError) {
        guard policy.foreignCheckpoints != .leave else { return }
        for disk in disks {
            for bitmap in disk.bitmaps where !bitmap.name.hasPrefix(QEMUNames.common) {
                guard policy.foreignCheckpoints == .adopt, !bitmap.isBusy else {
                    throw LifeboatError(
                        .refused, "\(disk.name) has another tool's bitmap \(bitmap.name)",
                        subject: name)
                }
                try client.call(
                    "block-dirty-bitmap-remove",
                    ["node": .string(disk.node), "name": .string(bitmap.name)])
            }
        }
    }

    private static func member(
        _ disk: QEMUDisk, _ request: SnapshotRequest, _ names: QEMUNames, wasDamaged: Bool
    ) -> QEMUSnapshot.Member {
        guard let base = request.bases[disk.name] else {
            return .init(disk: disk, base: nil, notes: [])
        }
        let bitmap = disk.bitmaps.first { $0.name == names.bitmap(base.snapshot) }
        let reason: String
        if let bitmap, bitmap.isRecording, disk.size >= base.size {
            return .init(disk: disk, base: base, notes: [])
        } else if bitmap != nil, disk.size < base.size {
            reason = "\(disk.name) has become smaller"
        } else if wasDamaged {
            reason = "QEMU was ended by force, and so the record of changes was lost"
        } else if !disk.keepsBitmaps {
            reason = "QEMU was restarted, and a \(disk.format) disk keeps no record of changes"
        } else {
            reason = "the record of changes since the last point is gone"
        }
        return .init(
            disk: disk, base: nil, notes: ["\(disk.name) is read whole: \(reason)"])
    }

    // MARK: the snapshot

    public func startSnapshot(timeoutSeconds: Double) throws(LifeboatError) {
        guard let snapshot = state.withLock({ $0.snapshot }) else { return }
        try snapshot.start(timeoutSeconds: timeoutSeconds)
    }

    public func pause(timeoutSeconds: Double) throws(LifeboatError) {
        guard isRunning else { return }
        state.withLock { $0.isPaused = true }
        try client.call("stop", timeoutSeconds: timeoutSeconds)
    }

    public func resume(timeoutSeconds: Double) throws(LifeboatError) {
        guard state.withLock({ $0.isPaused }) else { return }
        try client.call("cont", timeoutSeconds: timeoutSeconds)
        state.withLock { $0.isPaused = false }
    }

    public func openVolumes() throws(LifeboatError) -> [SnapshotVolume] {
        try state.withLock({ $0.snapshot })?.open() ?? []
    }

    public func definition() throws(LifeboatError) -> MachineDefinition {
        let disks = state.withLock { $0.snapshot }?.members.map(\.disk)
        return try QEMUDefinition(client: client, name: name).read(
            saved: disks.map { Set($0.map(\.name)) } ?? [])
    }

    // MARK: the end

    public func finish(isDurable: Bool) -> [String] {
        let (request, snapshot, wasPaused) = state.withLock { state in
            defer { state = State() }
            return (state.request, state.snapshot, state.isPaused)
        }
        var warnings: [String] = []
        if wasPaused, client.isOpen, !isRunning {
            do throws(LifeboatError) {
                try client.call("cont")
            } catch {
                warnings.append("\(name) may still be paused: \(error)")
            }
        }
        // A QMP socket serves one program at a time.
        defer { client.close() }
        guard let request else { return warnings }
        snapshot?.end()
        let names = QEMUNames(line: request.line)
        var kept: [String: Set<String>] = [:]
        for (name, base) in request.bases { kept[name] = [names.bitmap(base.snapshot)] }
        if isDurable {
            for member in snapshot?.members ?? [] {
                kept[member.disk.name] = [names.bitmap(request.snapshot)]
            }
        }
        if client.isOpen {
            var cleaner = QEMUCleaner(client: client, names: names, kept: kept)
            cleaner.run()
            warnings += cleaner.warnings
        }
        warnings += snapshot?.removeFiles() ?? []
        return warnings
    }
}
