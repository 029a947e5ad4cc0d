import LifeboatCore
import LifeboatSystem
import LifeboatTesting
import Testing

@testable import LifeboatMachine

/// What a guardian does to a QEMU whose run has died.
@Suite(.serialized) struct QEMURemainsTests {
    /// Begins a run and lets it die, as when the process is killed; what it left.
    private func die(
        _ qemu: RealQEMU, _ request: SnapshotRequest
    ) throws -> SnapshotRemains {
        let machine = try QEMUMachine(QEMULocation(socket: qemu.socket))
        #expect(machine.remains == nil)
        try machine.prepare(request)
        try machine.startSnapshot(timeoutSeconds: 60)
        _ = try machine.openVolumes()
        return try #require(machine.remains)
    }

    private func end(
        _ remains: SnapshotRemains, while isWanted: @escaping @Sendable () -> Bool = { true }
    ) throws {
        try HostConnecting().end(remains, timeoutSeconds: 30, while: isWanted)
    }

    @Test func `what a run left is ended, and the next one is incremental`() throws {
        var random = SeededGenerator(seed: 18)
        let qemu = try RealQEMU(["vda": "qcow2", "vdb": "raw"], blocks: 32, runs: true)
        let store = QEMUMachineTests.Store()
        try QEMUMachineTests.backUp(qemu, store, &random)
        let request = store.request(qemu)
        let remains = try die(qemu, request)
        try qemu.writeRandomly(&random, times: 2)
        #expect(try !qemu.leftovers().isEmpty)
        try end(remains) { false }
        #expect(try !qemu.leftovers().isEmpty)
        try end(remains)
        #expect(try qemu.leftovers() == [])
        #expect(try qemu.call("query-jobs").list ?? [] == [])
        #expect(try Files.list(request.scratchDirectory) == [])
        #expect(try Files.list(request.runDirectory) == [])
        // Nothing is left to be ended: no error.
        try end(remains)
        #expect(try QEMUMachineTests.backUp(qemu, store, &random) == [])
    }

    @Test func `another run of the line is left alone`() throws {
        var random = SeededGenerator(seed: 19)
        let qemu = try RealQEMU(["vda": "qcow2"], blocks: 32, runs: true)
        let store = QEMUMachineTests.Store()
        let first = try die(qemu, store.request(qemu))
        let request = store.request(qemu)
        let second = try die(qemu, request)
        let before = try qemu.leftovers()
        #expect(!before.isEmpty)
        var stranger = first
        stranger.line = "ffffffff"
        for remains in [first, stranger] {
            try end(remains)
            #expect(try qemu.leftovers() == before)
            #expect(try Files.list(request.scratchDirectory).count == 1)
        }
        try end(second)
        #expect(try qemu.leftovers() == [])
        try QEMUMachineTests.backUp(qemu, store, &random)
    }

    @Test func `scratch files go where QEMU has gone too`() throws {
        let qemu = try RealQEMU(["vda": "qcow2"], blocks: 32)
        let request = QEMUMachineTests.Store().request(qemu)
        let remains = try die(qemu, request)
        qemu.end()
        #expect(try Files.list(request.scratchDirectory).count == 1)
        try end(remains)
        #expect(try Files.list(request.scratchDirectory) == [])
    }

    @Test func `a QEMU that serves another program is tried again later`() throws {
        let qemu = try RealQEMU(["vda": "qcow2"], blocks: 32)
        let request = QEMUMachineTests.Store().request(qemu)
        let remains = try die(qemu, request)
        do {
            let other = try QMPClient(path: qemu.socket)
            #expect(throws: LifeboatError.self) {
                try HostConnecting().end(remains, timeoutSeconds: 1) { true }
            }
            other.close()
        }
        #expect(try Files.list(request.scratchDirectory).count == 1)
        try end(remains)
        #expect(try Files.list(request.scratchDirectory) == [])
    }

    @Test func `a machine that was paused runs again, and no other state is touched`() throws {
        let qemu = try RealQEMU(["vda": "qcow2"], blocks: 8, runs: true)
        let address = MachineAddress(monitor: qemu.socket)
        try HostConnecting().resume(address, timeoutSeconds: 30)
        try qemu.call("stop")
        try HostConnecting().resume(address, timeoutSeconds: 30)
        #expect(try qemu.call("query-status")["status"]?.text == "running")
        let waiting = try RealQEMU(["vda": "qcow2"], blocks: 8)
        try HostConnecting().resume(
            MachineAddress(monitor: waiting.socket), timeoutSeconds: 30)
        #expect(try waiting.call("query-status")["status"]?.text == "prelaunch")
    }
}
