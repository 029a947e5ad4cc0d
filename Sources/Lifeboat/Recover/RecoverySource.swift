import LifeboatArchive
import LifeboatCore
import LifeboatFormat
import LifeboatMachine
import LifeboatProtocol
import LifeboatSystem
import LifeboatVolume

/// A point whose machines are brought back, and all that is needed to read it.
struct RecoverySource {
    /// One of its machines.
    struct Machine {
        let record: PointMachine
        let definition: MachineDefinition
        /// The domain as libvirt described it.
        let domain: String
    }

    let operations: Operations
    let options: RecoverOptions
    let point: Point
    let repository: Repository
    let index: Index
    let packs: PackCache
    let nodes: NodeReader

    /// - Throws: `.wrongKey` without the recovery key, `.missing` for a point that is not there.
    init(_ operations: Operations, _ options: RecoverOptions) throws(LifeboatError) {
        let opened = try operations.openRepository(readsOnly: true)
        _ = try opened.requireRecovery()
        let log = try opened.readLog()
        let catalog = try PointCatalog(opened, log: log)
        operations.warn(log.problems + catalog.problems)
        self.operations = operations
        self.options = options
        let named = Set(options.machines)
        let hold = { (point: Point) in
            options.filter.accepts(point)
                && named.isSubset(of: point.body.machines.map(\.name))
        }
        // `latest` of the machines that are named; where no point has them, that is told of the
        // latest of all.
        let isNarrowed = options.point == "latest" && catalog.points.contains(where: hold)
        point = try catalog.find(options.point) {
            isNarrowed ? hold($0) : options.filter.accepts($0)
        }
        repository = try opened.inDomain(point.record.domain)
        index = try operations.openIndex(repository, log: log)
        packs = try PackCache(repository)
        nodes = try NodeReader(repository, index: index, packs: packs)
    }

    /// The machines that are asked for.
    func machines() throws(LifeboatError) -> [Machine] {
        guard !point.body.machines.isEmpty else {
            throw LifeboatError(
                .refused, "point \(point.id.short) holds volumes, but no machine",
                subject: point.id.short, advice: "write its volumes back with restore")
        }
        let names = point.body.machines.map(\.name)
        for name in options.machines where !names.contains(name) {
            throw LifeboatError(
                .missing, "point \(point.id.short) has no machine \(name)", subject: name,
                advice: "it has: \(names.joined(separator: ", "))")
        }
        var result: [Machine] = []
        for record in point.body.machines
        where options.machines.isEmpty || options.machines.contains(record.name) {
            result.append(try machine(record))
        }
        return result
    }

    private func machine(_ record: PointMachine) throws(LifeboatError) -> Machine {
        guard let name = record.definition else {
            throw LifeboatError(
                .refused, "the point has no definition of \(record.name)", subject: record.name,
                advice: "write its volumes back with restore, and make the machine anew")
        }
        var definition = try DefinitionArchive.decode(
            try bytes(of: try volume(name)), subject: "the definition of \(record.name)")
        // The definition may have been captured before it was known which disks would be read.
        for index in definition.description.disks.indices
        where definition.description.disks[index].volume == nil {
            definition.description.disks[index].volume = Self.volume(
                of: definition.description.disks[index].name, record)
        }
        guard let file = definition.description.files["domain"],
            let domain = definition.files[file]
        else {
            throw LifeboatError(
                .unsupported, "\(record.name) is no machine of libvirt", subject: record.name,
                advice: "write its volumes back with restore, and make the machine anew")
        }
        return Machine(
            record: record, definition: definition, domain: String(decoding: domain, as: UTF8.self))
    }

    /// The volume with a disk's bytes, by what the point says of its machine.
    static func volume(of disk: String, _ record: PointMachine) -> String? {
        record.volumes.first { $0 == disk || $0 == "\(record.name).\(disk)" }
    }

    func volume(_ name: String) throws(LifeboatError) -> PointBody.Volume {
        guard let volume = point.body.volumes.first(where: { $0.name == name }) else {
            throw LifeboatError(
                .damaged, "point \(point.id.short) has no volume \(name)", subject: name)
        }
        return volume
    }

    func restore(_ volume: PointBody.Volume) -> VolumeRestore {
        VolumeRestore(
            volume, repository: repository, index: index, packs: packs, nodes: nodes,
            threads: Operations.threads(options.threads, memory: options.memory),
            events: operations.events, cancellation: operations.cancellation)
    }

    /// The whole of a small volume.
    private func bytes(of volume: PointBody.Volume) throws(LifeboatError) -> [UInt8] {
        guard volume.size <= UInt64(DefinitionArchive.sizeLimit) else {
            throw LifeboatError(
                .damaged, "the definition \(volume.name) has \(volume.size) bytes",
                subject: volume.name)
        }
        let target = MemoryTarget(name: volume.name, size: Int(volume.size))
        let restore = restore(volume)
        try restore.write(to: target, from: 0, compares: false) { _ in }
        if let error = restore.lost.error(target: "no place") { throw error }
        return target.bytes
    }

    /// How many bytes of a volume are not zero, by whole chunks.
    func dataBytes(_ volume: PointBody.Volume) throws(LifeboatError) -> UInt64 {
        let restore = restore(volume)
        var position: UInt64 = 0
        var count: UInt64 = 0
        while position < restore.chunkCount {
            let window =
                position..<min(restore.chunkCount, position + VolumeRestore.windowChunks)
            for id in try restore.ids(window) where !id.isZero { count += 1 }
            position = window.upperBound
        }
        return min(volume.size, count * restore.chunkSize)
    }
}

/// A volume in memory.
private final class MemoryTarget: VolumeWriter {
    let name: String
    let size: UInt64
    let startsZeroed = true
    private let content: Guarded<[UInt8]>

    init(name: String, size: Int) {
        self.name = name
        self.size = UInt64(size)
        content = Guarded([UInt8](repeating: 0, count: size))
    }

    var bytes: [UInt8] { content.withLock { $0 } }

    func write(at offset: UInt64, _ bytes: UnsafeRawBufferPointer) throws(LifeboatError) {
        guard offset + UInt64(bytes.count) <= size else {
            throw LifeboatError(.internalFault, "a write beyond the end of \(name)")
        }
        let start = Int(offset)
        content.withLock { $0.replaceSubrange(start..<start + bytes.count, with: bytes) }
    }

    func zero(_ extent: Extent) throws(LifeboatError) {}

    func read(
        at offset: UInt64, into target: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError) -> Int {
        throw LifeboatError(.internalFault, "\(name) is not read back")
    }

    func dataExtents(from start: UInt64, to end: UInt64) throws(LifeboatError) -> [Extent] { [] }
    func sync() throws(LifeboatError) {}
    func dropCache() {}
}
