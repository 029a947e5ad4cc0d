import LifeboatCore
import LifeboatMachine
import LifeboatVolume

/// A machine in memory whose platform tracks changes by chunks.
final class MemoryMachine: ProtectedMachine, @unchecked Sendable {
    enum Step: String, CaseIterable, Sendable { case definition, prepare, start, open }

    let name: String
    let platform = "memory 1"
    let isRunning = true
    let quiescer: (any Quiescer)? = nil
    var disks: [String: [UInt8]]
    /// Changed since each snapshot that is still known.
    var changed: [String: [String: Set<UInt64>]] = [:]
    var failsAt: Step?
    /// Whether the tracker forgets some changes.
    var lies = false
    /// A snapshot that its changes are said to be based on, instead of the one that was asked for.
    var claimedBase: String?
    private(set) var finished: [Bool] = []
    private(set) var requests: [SnapshotRequest] = []
    private(set) var pauses = 0
    private var frozen: [String: [UInt8]]?
    private let step: UInt64 = 64 << 10

    init(_ name: String, disks: [String: [UInt8]]) {
        self.name = name
        self.disks = disks
    }

    func write(_ disk: String, at offset: Int, _ bytes: [UInt8]) {
        disks[disk]?.replaceSubrange(offset..<offset + bytes.count, with: bytes)
        let chunks = UInt64(offset) / step...UInt64(offset + bytes.count - 1) / step
        for snapshot in changed.keys where !lies {
            changed[snapshot]?[disk, default: []].formUnion(chunks)
        }
    }

    private func fail(_ at: Step) throws(LifeboatError) {
        if failsAt == at { throw LifeboatError(.unavailable, "fails at \(at)", subject: name) }
    }

    func definition() throws(LifeboatError) -> MachineDefinition {
        try fail(.definition)
        let description = MachineDescription(
            name: name, uuid: nil, platform: "memory", architecture: "x86_64", processors: 1,
            memory: 1 << 30, firmware: .bios,
            disks: disks.sorted { $0.key < $1.key }.map {
                .init(
                    name: $0.key, volume: $0.key, size: UInt64($0.value.count), bus: "virtio",
                    format: "raw")
            }, interfaces: [])
        return MachineDefinition(description: description, files: ["memory/secret": [1, 2, 3]])
    }

    func prepare(_ request: SnapshotRequest) throws(LifeboatError) {
        requests.append(request)
        try fail(.prepare)
    }

    func startSnapshot(timeoutSeconds: Double) throws(LifeboatError) {
        try fail(.start)
        frozen = disks
        if let snapshot = requests.last?.snapshot { changed[snapshot] = [:] }
    }

    func pause(timeoutSeconds: Double) throws(LifeboatError) { pauses += 1 }
    func resume(timeoutSeconds: Double) throws(LifeboatError) { pauses -= 1 }

    func openVolumes() throws(LifeboatError) -> [SnapshotVolume] {
        try fail(.open)
        let request = requests[requests.count - 1]
        return (frozen ?? [:]).sorted { $0.key < $1.key }.map { disk, bytes in
            var changes: VolumeChanges?
            if let base = request.bases[disk], let known = changed[base.snapshot] {
                let chunks = (known[disk] ?? []).sorted()
                changes = VolumeChanges(
                    base: claimedBase ?? base.snapshot,
                    extents: chunks.map { Extent(offset: $0 * step, length: step) })
            }
            return SnapshotVolume(
                name: disk, reader: BytesVolume(bytes, name: disk), changes: changes)
        }
    }

    func finish(isDurable: Bool) -> [String] {
        finished.append(isDurable)
        frozen = nil
        guard let snapshot = requests.last?.snapshot else { return [] }
        if isDurable {
            changed = changed.filter { $0.key == snapshot }
        } else {
            changed[snapshot] = nil
        }
        return []
    }
}
