import LifeboatCore
import LifeboatSystem
import LifeboatTesting
import LifeboatVolume
import Testing

@testable import LifeboatMachine

/// A QEMU without a guest's system, whose disks a test writes to in the guest's stead.
///
/// It knows what each disk must hold.
final class RealQEMU {
    /// A disk as the test knows it.
    struct Disk {
        var format: String
        var bytes: [UInt8]
        /// The 64 KiB blocks written to since the newest point.
        var dirty: Set<Int> = []
    }

    static let block = 1 << 16
    let folder: TemporaryDirectory
    let runs: Bool
    private(set) var disks: [String: Disk] = [:]
    private var process: ChildProcess?
    private var monitor: QMPClient?

    /// `runs`: whether its processor runs, with nothing but firmware.
    init(_ formats: [String: String], blocks: Int, runs: Bool = false) throws {
        folder = try TemporaryDirectory()
        self.runs = runs
        for (name, format) in formats { try makeDisk(name, format: format, blocks: blocks) }
        try start()
    }

    deinit { process?.kill() }

    var socket: String { folder.file("qmp") }

    func image(_ name: String) -> String { folder.file(name + ".image") }

    private func makeDisk(_ name: String, format: String, blocks: Int) throws {
        let result = try ChildProcess.run(
            .init([
                "qemu-img", "create", "-q", "-f", format, image(name), String(blocks * Self.block),
            ]), timeoutSeconds: 120)
        try #require(result.isSuccess)
        disks[name] = Disk(
            format: format, bytes: [UInt8](repeating: 0, count: blocks * Self.block))
    }

    // MARK: coming and going

    func start() throws {
        var arguments = [
            "qemu-system-x86_64", "-name", "sample", "-machine", "q35,accel=tcg", "-m", "32",
            "-nodefaults", "-no-user-config", "-display", "none",
            "-device", "pcie-root-port,id=rp0,chassis=1",
            "-netdev", "user,id=net0", "-device",
            "virtio-net-pci,netdev=net0,mac=52:54:00:aa:bb:cc,romfile=",
            "-object", "secret,id=key0,data=hidden",
        ]
        for socket in ["qmp", "monitor"] {
            arguments += [
                "-chardev", "socket,id=\(socket),path=\(folder.file(socket)),server=on,wait=off",
                "-mon", "chardev=\(socket),mode=control",
            ]
        }
        if !runs { arguments.append("-S") }
        for (name, disk) in disks.sorted(by: { $0.key < $1.key }) {
            arguments += [
                "-blockdev",
                "driver=\(disk.format),node-name=node-\(name),discard=unmap,file.driver=file,"
                    + "file.filename=\(image(name))",
                "-device", "virtio-blk-pci,drive=node-\(name),id=\(name),serial=S\(name)",
            ]
        }
        for socket in ["qmp", "monitor"] { try? Files.remove(folder.file(socket)) }
        let process = try ChildProcess(.init(arguments))
        self.process = process
        let deadline = Clock.monotonicSeconds() + 120
        while true {
            do throws(LifeboatError) {
                monitor = try QMPClient(path: folder.file("monitor"), timeoutSeconds: 60)
                return
            } catch {
                guard process.isRunning, Clock.monotonicSeconds() < deadline else {
                    Issue.record("QEMU does not start: \(process.lastWords)")
                    throw error
                }
                Threads.sleep(seconds: 0.02)
            }
        }
    }

    /// Ends QEMU by force, when what the guest wrote has reached its disks.
    func kill() throws {
        for name in disks.keys { try io(name, "flush") }
        process?.kill()
        try start()
    }

    /// Ends QEMU as an administrator does, and starts it again.
    func restart() throws {
        _ = try? monitor?.call("quit")
        _ = process?.wait(seconds: 60)
        process?.kill()
        try start()
    }

    /// Ends QEMU at once, and does not start it again.
    func end() { process?.kill() }

    // MARK: what a guest does

    @discardableResult
    func call(_ command: String, _ arguments: [String: JSON] = [:]) throws -> JSON {
        try #require(monitor).call(command, arguments, timeoutSeconds: 120)
    }

    private func io(_ name: String, _ command: String) throws {
        let device = "/machine/peripheral/\(name)/virtio-backend"
        let answer = try call(
            "human-monitor-command",
            ["command-line": .string("qemu-io -d \(device) \"\(command)\"")])
        #expect(answer.text == "", "\(command)")
    }

    func write(_ name: String, at offset: Int, count: Int, pattern: UInt8) throws {
        try io(
            name,
            pattern == 0
                ? "write -z -u \(offset) \(count)" : "write -P \(pattern) \(offset) \(count)")
        disks[name]?.bytes.replaceSubrange(
            offset..<offset + count, with: repeatElement(pattern, count: count))
        disks[name]?.dirty.formUnion(offset / Self.block...(offset + count - 1) / Self.block)
    }

    func writeRandomly(_ random: inout SeededGenerator, times: Int) throws {
        for name in disks.keys.sorted() {
            let size = disks[name]?.bytes.count ?? 0
            for _ in 0..<times {
                let count = 512 * Int.random(in: 1...400, using: &random)
                let offset = 512 * Int.random(in: 0...(size - count) / 512, using: &random)
                try write(
                    name, at: offset, count: count, pattern: UInt8.random(in: 0...5, using: &random)
                )
            }
        }
    }

    func grow(_ name: String, blocks: Int) throws {
        let size = (disks[name]?.bytes.count ?? 0) + blocks * Self.block
        try call(
            "block_resize", ["node-name": .string("node-\(name)"), "size": .integer(Int64(size))])
        disks[name]?.bytes += [UInt8](repeating: 0, count: blocks * Self.block)
    }

    func plug(_ name: String, blocks: Int) throws {
        try makeDisk(name, format: "qcow2", blocks: blocks)
        try call(
            "blockdev-add",
            [
                "driver": "qcow2", "node-name": .string("node-\(name)"), "discard": "unmap",
                "file": ["driver": "file", "filename": .string(image(name))],
            ])
        try call(
            "device_add",
            [
                "driver": "virtio-blk-pci", "bus": "rp0", "id": .string(name),
                "drive": .string("node-\(name)"),
            ])
    }

    /// From here on, what is written counts for the next point.
    func forgetWrites() {
        for name in disks.keys { disks[name]?.dirty = [] }
    }

    // MARK: what is left in it

    /// The names of nodes and exports of Lifeboat's.
    func leftovers() throws -> [String] {
        let nodes = try call("query-named-block-nodes", ["flat": true]).list ?? []
        let exports = try call("query-block-exports").list ?? []
        let names =
            nodes.compactMap { $0["node-name"]?.text } + exports.compactMap { $0["id"]?.text }
        return names.filter { $0.hasPrefix("lifeboat-") }
    }

    /// The names of bitmaps, by disk.
    func bitmaps() throws -> [String: Set<String>] {
        let nodes = try call("query-named-block-nodes", ["flat": true])
        var found: [String: Set<String>] = [:]
        for (node, bitmaps) in QEMUDisk.bitmapsByNode(nodes) where node.hasPrefix("node-") {
            found[String(node.dropFirst("node-".count))] = Set(bitmaps.map(\.name))
        }
        return found
    }
}

extension VolumeReader {
    /// All bytes of an extent.
    func bytes(_ extent: Extent) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0xEE, count: Int(extent.length))
        try bytes.withMutableBytes { target throws(LifeboatError) in
            try read(at: extent.offset, into: target)
        }
        return bytes
    }
}
