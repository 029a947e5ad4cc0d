import LifeboatCore
import LifeboatTesting
import Testing

@testable import LifeboatMachine

/// All that happens to machines, in any order: whatever it is, a point is what the disks were, and
/// nothing is read whole that need not be.
@Suite(.serialized)
struct QEMUChaosTests {
    @Test(arguments: TestSeeds.all)
    func `points are right whatever happens between them`(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let qemu = try RealQEMU(
            ["vda": "qcow2", "vdb": "raw"], blocks: 24, runs: seed.isMultiple(of: 2))
        let store = QEMUMachineTests.Store()
        /// The disks whose record of changes is lost, or was never made.
        var lost: Set<String> = ["vda", "vdb"]
        for _ in 0..<16 {
            try qemu.writeRandomly(&random, times: 2)
            switch Int.random(in: 0..<12, using: &random) {
            case 0..<4:
                let whole = try QEMUMachineTests.backUp(qemu, store, &random)
                #expect(whole == lost)
                lost = []
            case 4:
                let whole = try QEMUMachineTests.backUp(qemu, store, &random, isDurable: false)
                #expect(whole == lost)
            case 5:
                try die(qemu, store, steps: Int.random(in: 1...3, using: &random))
            case 6:
                try qemu.restart()
                lost.formUnion(qemu.disks.filter { $0.value.format == "raw" }.keys)
            case 7:
                try qemu.kill()
                lost = Set(qemu.disks.keys)
            case 8:
                for (disk, bitmaps) in try qemu.bitmaps() where disk == "vda" {
                    for bitmap in bitmaps {
                        try qemu.call(
                            "block-dirty-bitmap-remove",
                            ["node": "node-vda", "name": .string(bitmap)])
                    }
                    lost.insert(disk)
                }
            case 9, 10:
                // A device whose filter a dead run left cannot change its size.
                guard try qemu.leftovers().isEmpty else { continue }
                let names = qemu.disks.keys.sorted()
                try qemu.grow(names[Int.random(in: 0..<names.count, using: &random)], blocks: 3)
            default:
                guard qemu.disks.count < 3 else { continue }
                try qemu.plug("vdc", blocks: 8)
                lost.insert("vdc")
            }
        }
        #expect(try QEMUMachineTests.backUp(qemu, store, &random) == lost)
        #expect(try QEMUMachineTests.backUp(qemu, store, &random) == [])
    }

    /// A run that ends after so many steps, as when its process is killed.
    private func die(
        _ qemu: RealQEMU, _ store: QEMUMachineTests.Store, steps: Int
    ) throws {
        let machine = try QEMUMachine(QEMULocation(socket: qemu.socket))
        try machine.prepare(store.request(qemu))
        if steps > 1 { try machine.startSnapshot(timeoutSeconds: 60) }
        if steps > 2 { _ = try machine.openVolumes() }
    }
}
