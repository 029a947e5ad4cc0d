import LifeboatCore
import LifeboatSystem
import LifeboatTesting
import LifeboatVolume
import Testing

@testable import LifeboatMachine

@Suite(.serialized)
struct QEMUMachineTests {
    static let line = "0a1b2c3d"

    /// What a repository would have of the machine's volumes.
    final class Store {
        var images: [String: [UInt8]] = [:]
        var bases: [String: SnapshotRequest.Base] = [:]
        var next: UInt64 = 1

        func request(_ qemu: RealQEMU, _ policy: ProtectionPolicy = .init()) -> SnapshotRequest {
            defer { next += 1 }
            let digits = String(next, radix: 16)
            return SnapshotRequest(
                line: QEMUMachineTests.line,
                snapshot: String(repeating: "0", count: 16 - digits.count) + digits, bases: bases,
                policy: policy, runDirectory: qemu.folder.file("run"),
                scratchDirectory: qemu.folder.file("scratch"))
        }
    }

    /// Reads a volume as a backup does: what has changed, or all.
    static func read(_ volume: SnapshotVolume, over old: [UInt8]?) throws -> [UInt8] {
        let size = volume.reader.size
        guard let changes = volume.changes, let old else {
            var all = [UInt8](repeating: 0, count: Int(size))
            for extent in try volume.reader.extents(from: 0, to: size) {
                let bytes = try volume.reader.bytes(extent)
                all.replaceSubrange(Int(extent.offset)..<Int(extent.end), with: bytes)
            }
            return all
        }
        var all = old + [UInt8](repeating: 0, count: max(0, Int(size) - old.count))
        for extent in changes.extents {
            let bytes = try volume.reader.bytes(extent)
            all.replaceSubrange(Int(extent.offset)..<Int(extent.end), with: bytes)
        }
        return all
    }

    /// Makes a point, while the guest goes on writing; returns which volumes were read whole.
    @discardableResult
    static func backUp(
        _ qemu: RealQEMU, _ store: Store, _ random: inout SeededGenerator, isDurable: Bool = true,
        policy: ProtectionPolicy = .init()
    ) throws -> Set<String> {
        let machine = try QEMUMachine(QEMULocation(socket: qemu.socket))
        let request = store.request(qemu, policy)
        var before: [String: Set<Int>] = [:]
        do {
            try machine.prepare(request)
            // Still before the snapshot.
            try qemu.writeRandomly(&random, times: 1)
            before = qemu.disks.mapValues(\.dirty)
            if isDurable { qemu.forgetWrites() }
            try machine.startSnapshot(timeoutSeconds: 60)
        } catch {
            _ = machine.finish(isDurable: false)
            throw error
        }
        let frozen = qemu.disks
        try qemu.writeRandomly(&random, times: 3)
        let volumes = try machine.openVolumes()
        try qemu.writeRandomly(&random, times: 3)
        #expect(Set(volumes.map(\.name)) == Set(frozen.keys))
        var whole: Set<String> = []
        for volume in volumes {
            let name = volume.name
            let bytes = try Self.read(volume, over: store.images[name])
            // Not compared by `#expect` itself, which would print all of it.
            let difference = Self.difference(bytes, frozen[name]?.bytes ?? [])
            #expect(difference == nil, "\(name) is what it was; whole: \(volume.changes == nil)")
            if let changes = volume.changes {
                #expect(changes.base == store.bases[name]?.snapshot)
                let written = (before[name] ?? []).union(qemu.disks[name]?.dirty ?? [])
                #expect(Self.isWithin(changes.extents, written, store.images[name]))
            } else {
                whole.insert(name)
                #expect(store.bases[name] == nil || !volume.notes.isEmpty)
            }
            if isDurable {
                store.images[name] = bytes
                store.bases[name] = .init(
                    snapshot: request.snapshot, size: UInt64(bytes.count))
            }
        }
        #expect(machine.finish(isDurable: isDurable) == [])
        #expect(try qemu.leftovers() == [])
        #expect(try Files.list(request.scratchDirectory) == [])
        for (name, bitmaps) in try qemu.bitmaps() {
            let base = store.bases[name].map { "lifeboat-\(Self.line)-\($0.snapshot)" }
            #expect(bitmaps.subtracting([base ?? ""]) == [])
            if isDurable { #expect(bitmaps.count == 1) }
        }
        if qemu.runs { #expect(try qemu.call("query-status")["running"]?.flag == true) }
        return whole
    }

    /// Where two disks differ first and last, in few words; `nil` where they do not.
    static func difference(_ left: [UInt8], _ right: [UInt8]) -> String? {
        if left == right { return nil }
        guard left.count == right.count else { return "\(left.count), not \(right.count) bytes" }
        var sectors: [Int] = []
        for sector in 0..<left.count / 512 {
            let range = sector * 512..<sector * 512 + 512
            if left[range] != right[range] { sectors.append(sector) }
        }
        let pairs = sectors.prefix(3).map { "\(left[$0 * 512]) for \(right[$0 * 512])" }
        return
            "\(sectors.count) sectors from \(sectors.first ?? 0) to \(sectors.last ?? 0): \(pairs)"
    }

    /// Whether no more is called changed than was written to, or is new.
    static func isWithin(_ extents: [Extent], _ written: Set<Int>, _ old: [UInt8]?) -> Bool {
        let known = (old?.count ?? 0) / RealQEMU.block
        return extents.allSatisfy { extent in
            let blocks =
                Int(extent.offset) / RealQEMU.block...(Int(extent.end) - 1) / RealQEMU.block
            return blocks.allSatisfy { $0 >= known || written.contains($0) }
        }
    }

    // MARK: the usual

    @Test(arguments: [false, true])
    func `a full point and incremental ones are what the disks were`(runs: Bool) throws {
        var random = SeededGenerator(seed: 11)
        let qemu = try RealQEMU(["vda": "qcow2", "vdb": "raw"], blocks: 64, runs: runs)
        let store = Store()
        try qemu.writeRandomly(&random, times: 5)
        #expect(try Self.backUp(qemu, store, &random) == ["vda", "vdb"])
        for _ in 0..<3 {
            try qemu.writeRandomly(&random, times: 5)
            #expect(try Self.backUp(qemu, store, &random) == [])
        }
    }

    @Test func `a point that does not stand moves no base`() throws {
        var random = SeededGenerator(seed: 12)
        let qemu = try RealQEMU(["vda": "qcow2"], blocks: 64)
        let store = Store()
        try Self.backUp(qemu, store, &random)
        for _ in 0..<2 {
            #expect(try Self.backUp(qemu, store, &random, isDurable: false) == [])
        }
        #expect(try Self.backUp(qemu, store, &random) == [])
    }

    @Test func `bitmaps outlive a restart in qcow2 and end with QEMU in raw`() throws {
        var random = SeededGenerator(seed: 13)
        let qemu = try RealQEMU(["vda": "qcow2", "vdb": "raw"], blocks: 32)
        let store = Store()
        try Self.backUp(qemu, store, &random)
        try qemu.writeRandomly(&random, times: 2)
        try qemu.restart()
        #expect(try Self.backUp(qemu, store, &random) == ["vdb"])
        #expect(try Self.backUp(qemu, store, &random) == [])
    }

    @Test func `after QEMU was killed all is read once, and then increments go on`() throws {
        var random = SeededGenerator(seed: 14)
        let qemu = try RealQEMU(["vda": "qcow2"], blocks: 32)
        let store = Store()
        try Self.backUp(qemu, store, &random)
        // Now the bitmap is in the file, and the kill leaves it in use.
        try qemu.restart()
        try qemu.writeRandomly(&random, times: 2)
        try qemu.kill()
        #expect(try Self.backUp(qemu, store, &random) == ["vda"])
        #expect(try Self.backUp(qemu, store, &random) == [])
    }

    // MARK: trouble

    /// The guarantee that matters most: the backup fails, and the guest does not notice.
    @Test func `full scratch files fail the backup and no write of the guest`() throws {
        var random = SeededGenerator(seed: 15)
        let qemu = try RealQEMU(["vda": "qcow2"], blocks: 256, runs: true)
        let store = Store()
        try qemu.write("vda", at: 0, count: 256 * RealQEMU.block, pattern: 7)
        try Self.backUp(qemu, store, &random)
        let machine = try QEMUMachine(QEMULocation(socket: qemu.socket))
        var policy = ProtectionPolicy()
        policy.scratchBytes = 4 << 20
        let request = store.request(qemu, policy)
        try machine.prepare(request)
        try machine.startSnapshot(timeoutSeconds: 60)
        let volume = try #require(try machine.openVolumes().first)
        // Each of them must succeed: the test's QEMU says so.
        for block in 0..<256 {
            try qemu.write("vda", at: block * RealQEMU.block, count: RealQEMU.block, pattern: 9)
        }
        #expect(throws: LifeboatError(.full, "", subject: "vda")) {
            _ = try Self.read(volume, over: nil)
        }
        let scratch = try #require(try Files.list(request.scratchDirectory).first)
        #expect(scratch.hasPrefix("lifeboat-\(Self.line)-"))
        #expect(machine.isRunning)
        #expect(machine.finish(isDurable: false) == [])
        #expect(try qemu.leftovers() == [])
        #expect(try Self.backUp(qemu, store, &random) == [])
    }

    @Test func `several disks share the room for scratch files`() throws {
        var random = SeededGenerator(seed: 16)
        let qemu = try RealQEMU(["vda": "qcow2", "vdb": "raw"], blocks: 64)
        let store = Store()
        for name in ["vda", "vdb"] {
            try qemu.write(name, at: 0, count: 64 * RealQEMU.block, pattern: 7)
        }
        try Self.backUp(qemu, store, &random)
        let machine = try QEMUMachine(QEMULocation(socket: qemu.socket))
        var policy = ProtectionPolicy()
        policy.scratchBytes = 5 << 20
        try machine.prepare(store.request(qemu, policy))
        try machine.startSnapshot(timeoutSeconds: 60)
        let volumes = try machine.openVolumes()
        // Neither is full by itself.
        for name in ["vda", "vdb"] {
            try qemu.write(name, at: 0, count: 48 * RealQEMU.block, pattern: 8)
        }
        // The watcher takes the filters away.
        while try !qemu.leftovers().filter({ $0.hasSuffix("-0") }).isEmpty {
            Threads.sleep(seconds: 0.1)
        }
        for volume in volumes {
            #expect(throws: LifeboatError.self) { _ = try Self.read(volume, over: nil) }
        }
        #expect(machine.finish(isDurable: false) == [])
        #expect(try qemu.leftovers() == [])
        #expect(try Self.backUp(qemu, store, &random) == [])
    }

    @Test func `a run that died leaves nothing after the next one`() throws {
        var random = SeededGenerator(seed: 17)
        let qemu = try RealQEMU(["vda": "qcow2", "vdb": "raw"], blocks: 32, runs: true)
        let store = Store()
        try Self.backUp(qemu, store, &random)
        do {
            // Without `finish`: the connection ends, as when the process is killed.
            let machine = try QEMUMachine(QEMULocation(socket: qemu.socket))
            try machine.prepare(store.request(qemu))
            try machine.startSnapshot(timeoutSeconds: 60)
            _ = try machine.openVolumes()
        }
        try qemu.writeRandomly(&random, times: 2)
        #expect(try !qemu.leftovers().isEmpty)
        #expect(try Self.backUp(qemu, store, &random) == [])
    }

    @Test func `a machine that vanishes ends its backup with its name`() throws {
        let qemu = try RealQEMU(["vda": "qcow2"], blocks: 32)
        let store = Store()
        let machine = try QEMUMachine(QEMULocation(socket: qemu.socket))
        try machine.prepare(store.request(qemu))
        try machine.startSnapshot(timeoutSeconds: 60)
        let volume = try #require(try machine.openVolumes().first)
        qemu.end()
        #expect(throws: LifeboatError(.unavailable, "", subject: "vda")) {
            _ = try volume.reader.bytes(Extent(offset: 0, length: 4096))
        }
        _ = machine.finish(isDurable: false)
        #expect(try Files.list(qemu.folder.file("scratch")) == [])
    }

    @Test func `another's NBD server is left alone`() throws {
        let qemu = try RealQEMU(["vda": "qcow2"], blocks: 16)
        try qemu.call(
            "nbd-server-start",
            ["addr": ["type": "unix", "data": ["path": .string(qemu.folder.file("other"))]]])
        let machine = try QEMUMachine(QEMULocation(socket: qemu.socket))
        #expect(throws: LifeboatError(.refused, "", subject: qemu.socket)) {
            try machine.prepare(Store().request(qemu))
        }
        #expect(machine.finish(isDurable: false) == [])
        #expect(try qemu.leftovers() == [])
    }

    @Test func `the definition names what the machine is made of`() throws {
        let qemu = try RealQEMU(["vda": "qcow2", "vdb": "raw"], blocks: 16)
        let machine = try QEMUMachine(QEMULocation(socket: qemu.socket))
        var policy = ProtectionPolicy()
        policy.excludedDisks = ["vdb"]
        try machine.prepare(Store().request(qemu, policy))
        let definition = try machine.definition()
        #expect(machine.finish(isDurable: false) == [])
        let description = definition.description
        #expect(description.name == "sample" && description.processors == 1)
        #expect(description.memory == 32 << 20 && description.architecture == "x86_64")
        #expect(description.disks.map(\.name) == ["vda", "vdb"])
        #expect(description.disks.map(\.volume) == ["vda", nil])
        #expect(description.disks.map(\.serial) == ["Svda", "Svdb"])
        #expect(description.disks.allSatisfy { $0.bus == "virtio" && $0.size == 16 << 16 })
        #expect(description.interfaces.map(\.mac) == ["52:54:00:aa:bb:cc"])
        #expect(description.firmware == .bios)
        let file = try #require(definition.files["qemu/command-line.json"])
        let arguments = try JSON(parsing: file, subject: "test").list?.compactMap(\.text) ?? []
        #expect(arguments.contains("sample") && arguments.contains("secret,id=key0,data=***"))
    }
}
