import LifeboatCore
import LifeboatMachine
import LifeboatSystem
import LifeboatTesting
import Testing

@testable import Lifeboat

/// Points of machines that run on, on a platform in memory.
@Suite struct MachineBackupTests {
    private let work: TemporaryDirectory
    private let operations: Operations

    init() throws {
        work = try TemporaryDirectory()
        operations = Operations(
            access: RepositoryAccess(
                location: work.file("repository"), secret: .keyFile(work.file("key")),
                recoveryKeyFile: work.file("recovery"), stateDirectory: work.file("state"),
                cacheDirectory: work.file("cache")))
        _ = try operations.initialise(
            chunkSize: 65536, recoveryKeyFile: work.file("recovery"), keyLabel: "", minimumAge: 0)
    }

    private func bytes(_ count: Int, seed: UInt64) -> [UInt8] {
        var random = SeededGenerator(seed: seed)
        return random.bytes(count)
    }

    /// What a volume of the point is restored to.
    private func restored(_ result: BackupResult, _ volume: String) throws -> [UInt8] {
        let path = work.file(Identifier.random().hex)
        var options = RestoreOptions(point: try #require(result.point).hex, target: path)
        options.volumes = [volume]
        _ = try operations.restore(options)
        return try Files.readWhole(path, limit: 64 << 20)
    }

    private func backup(
        _ machines: [MemoryMachine], name: String = "web",
        _ change: (inout ProtectionPolicy) -> Void = { _ in }
    ) throws -> BackupResult {
        var options = BackupOptions(machine: name, sources: [])
        var policy = ProtectionPolicy()
        policy.quiesce = .crash
        change(&policy)
        options.members = machines.map { BackupMember($0, policy: policy) }
        options.runDirectory = work.path + "/run"
        options.scratchDirectory = work.path + "/scratch"
        return try operations.backup(options)
    }

    @Test func `a second backup reads only what the platform says has changed`() throws {
        let machine = MemoryMachine("web", disks: ["vda": bytes(2 << 20, seed: 1)])
        let first = try backup([machine])
        #expect(first.volumes.first { $0.name == "vda" }?.method == "full")
        machine.write("vda", at: 1 << 20, bytes(100_000, seed: 2))
        let second = try backup([machine])
        let volume = try #require(second.volumes.first { $0.name == "vda" })
        #expect(volume.method == "hint")
        #expect(volume.bytesRead <= 3 * 65536)
        #expect(machine.finished == [true, true])
        #expect(try restored(second, "vda") == machine.disks["vda"])
    }

    @Test(arguments: MemoryMachine.Step.allCases)
    func `what fails leaves no snapshot, and the base stays`(step: MemoryMachine.Step) throws {
        let machine = MemoryMachine("web", disks: ["vda": bytes(2 << 20, seed: 3)])
        _ = try backup([machine])
        let base = machine.requests.last?.snapshot
        machine.write("vda", at: 0, [1, 2, 3])
        machine.failsAt = step
        #expect(throws: LifeboatError(.unavailable, "", subject: "web")) { try backup([machine]) }
        #expect(machine.finished.last == false)
        machine.failsAt = nil
        let third = try backup([machine])
        #expect(machine.requests.last?.bases["vda"]?.snapshot == base)
        #expect(third.volumes.first { $0.name == "vda" }?.method == "hint")
        #expect(try restored(third, "vda") == machine.disks["vda"])
    }

    @Test func `a platform that forgets changes is found out`() throws {
        let machine = MemoryMachine("web", disks: ["vda": bytes(2 << 20, seed: 4)])
        _ = try backup([machine])
        machine.lies = true
        machine.write("vda", at: 0, bytes(2 << 20, seed: 5))
        let second = try backup([machine])
        let volume = try #require(second.volumes.first { $0.name == "vda" })
        #expect(volume.isDegraded && volume.method != "hint")
        #expect(try restored(second, "vda") == machine.disks["vda"])
    }

    @Test func `changes since another snapshot than the newest point's are refused`() throws {
        let machine = MemoryMachine("web", disks: ["vda": bytes(2 << 20, seed: 9)])
        _ = try backup([machine])
        machine.write("vda", at: 4096, [9, 9, 9])
        machine.claimedBase = "ffffffffffffffff"
        let second = try backup([machine])
        let volume = try #require(second.volumes.first { $0.name == "vda" })
        #expect(volume.method != "hint" && !volume.isDegraded)
        #expect(try restored(second, "vda") == machine.disks["vda"])
    }

    @Test func `a base that the platform has lost costs a read`() throws {
        let machine = MemoryMachine("web", disks: ["vda": bytes(2 << 20, seed: 6)])
        _ = try backup([machine])
        machine.changed = [:]
        machine.write("vda", at: 4096, [9, 9, 9])
        let second = try backup([machine])
        #expect(second.volumes.first { $0.name == "vda" }?.method != "hint")
        #expect(second.volumes.first { $0.name == "vda" }?.isDegraded == false)
        #expect(try restored(second, "vda") == machine.disks["vda"])
    }

    @Test func `a group is one point with each machine's volumes and definition`() throws {
        let web = MemoryMachine("web", disks: ["vda": bytes(1 << 20, seed: 7)])
        let store = MemoryMachine("db", disks: ["vda": bytes(1 << 20, seed: 8), "vdb": [1, 2]])
        let result = try backup([web, store], name: "shop")
        #expect(
            result.volumes.map(\.name) == [
                "web.vda", "db.vda", "db.vdb", "web.definition.tar", "db.definition.tar",
            ])
        #expect(result.machines.map(\.name) == ["web", "db"])
        #expect(result.machines[1].volumes == ["db.vda", "db.vdb"])
        #expect(result.skew != nil)
        store.write("vdb", at: 0, [3])
        let second = try backup([web, store], name: "shop")
        #expect(second.volumes.filter { $0.method == "hint" }.count == 3)
        #expect(try restored(second, "db.vdb") == [3, 2])
    }

    @Test func `a member that fails leaves no point and no snapshot`() throws {
        let web = MemoryMachine("web", disks: ["vda": [1]])
        let store = MemoryMachine("db", disks: ["vda": [2]])
        store.failsAt = .start
        #expect(throws: LifeboatError.self) { try backup([web, store], name: "shop") }
        #expect(web.finished == [false] && store.finished == [false])
    }

    @Test func `a definition comes back with its files and the names of its volumes`() throws {
        let machine = MemoryMachine("web", disks: ["vda": [1, 2, 3]])
        let result = try backup([machine])
        let name = try #require(result.machines.first?.definition)
        let bytes = try restored(result, name)
        let definition = try DefinitionArchive.decode(bytes, subject: name)
        #expect(definition.files["memory/secret"] == [1, 2, 3])
        #expect(definition.description.disks.map(\.volume) == ["vda"])
    }

    @Test func `a stateless machine is its definition only`() throws {
        let machine = MemoryMachine("web", disks: ["vda": [1, 2, 3]])
        let result = try backup([machine]) { $0.quiesce = .stateless }
        #expect(result.volumes.map(\.name) == ["web.definition.tar"])
        #expect(machine.requests.isEmpty && machine.finished.isEmpty)
        #expect(result.machines.first?.policy == "stateless")
    }

    @Test func `a machine that is paused runs on`() throws {
        let machine = MemoryMachine("web", disks: ["vda": [1, 2, 3]])
        let result = try backup([machine]) { $0.quiesce = .pause }
        #expect(machine.pauses == 0)
        #expect(result.consistency == .crash)
    }

    @Test func `what a machine without an agent lacks is told`() throws {
        let machine = MemoryMachine("web", disks: ["vda": [1, 2, 3]])
        let result = try backup([machine]) { $0.quiesce = .prefer }
        #expect(result.consistency == .crash)
        #expect(result.machines.first?.reasons.isEmpty == false)
        #expect(throws: LifeboatError.self) { try backup([machine]) { $0.quiesce = .require } }
        #expect(machine.finished == [true, false])
    }
}
