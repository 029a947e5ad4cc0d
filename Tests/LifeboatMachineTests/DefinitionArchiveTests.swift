import Foundation
import LifeboatCore
import LifeboatMachine
import LifeboatSystem
import LifeboatTesting
import Testing

@Suite struct DefinitionArchiveTests {
    static let example: MachineDefinition = {
        var description = MachineDescription(
            name: "web1", uuid: "1b7c2c9e-3a4d-4f55-8d27-1f2b6ad0a001", platform: "libvirt",
            architecture: "x86_64", processors: 2, memory: 1 << 30, firmware: .uefi,
            disks: [
                .init(name: "vda", volume: "vda", size: 1 << 30, bus: "virtio", format: "qcow2")
            ],
            interfaces: [.init(mac: "52:54:00:77:00:10", network: "prod", kind: "network")])
        description.files = ["domain": "libvirt/domain.xml", "variables": "libvirt/variables"]
        return MachineDefinition(
            description: description,
            files: [
                "libvirt/domain.xml": Array("<domain/>".utf8),
                "libvirt/variables": [UInt8](repeating: 7, count: 512), "libvirt/empty": [],
            ])
    }()

    @Test func `definitions survive a round trip and always give the same bytes`() throws {
        let bytes = try DefinitionArchive.encode(Self.example)
        #expect(bytes.count % 512 == 0)
        #expect(try DefinitionArchive.decode(bytes, subject: "web1") == Self.example)
        #expect(try DefinitionArchive.encode(Self.example) == bytes)
    }

    @Test func `tar reads it`() throws {
        let bytes = try DefinitionArchive.encode(Self.example)
        var launch = ChildProcess.Launch(["tar", "-tvf", "-"])
        launch.input = bytes
        let result = try ChildProcess.run(launch, timeoutSeconds: 60)
        #expect(result.isSuccess, "\(result.lastWords)")
        let lines = String(decoding: result.output, as: UTF8.self).split(separator: "\n")
        #expect(lines.first?.hasSuffix("machine.json") == true)
        #expect(lines.count == 4)
    }

    @Test(arguments: [
        "", "/etc/passwd", "../x", "a/../b", "a//b", "./a", "a/", "a\nb", "a\u{0}b",
        "machine.json", String(repeating: "x", count: 101),
    ]) func `a name that leads elsewhere is not written`(name: String) {
        var definition = Self.example
        definition.files[name] = [1]
        #expect(throws: LifeboatError(.refused, "", subject: name)) {
            try DefinitionArchive.encode(definition)
        }
    }

    @Test func `what is cut off is told`() throws {
        let bytes = try DefinitionArchive.encode(Self.example)
        let end = bytes.count - 1024
        for length in stride(from: 0, through: end, by: 100) {
            #expect(throws: LifeboatError(.damaged, "", subject: "web1")) {
                try DefinitionArchive.decode(Array(bytes[..<length]), subject: "web1")
            }
        }
    }

    @Test func `no single changed byte of a header passes for something else`() throws {
        let bytes = try DefinitionArchive.encode(Self.example)
        for index in 0..<512 {
            var changed = bytes
            changed[index] &+= 1
            #expect(throws: LifeboatError.self) {
                try DefinitionArchive.decode(changed, subject: "web1")
            }
        }
    }

    /// Replaces a field of the first header and mends its checksum.
    private func forge(_ field: Range<Int>, _ text: String) throws -> [UInt8] {
        var bytes = try DefinitionArchive.encode(Self.example)
        var value = Array(text.utf8)
        value += [UInt8](repeating: 0, count: field.count - value.count)
        bytes.replaceSubrange(field, with: value)
        for index in 148..<156 { bytes[index] = 0x20 }
        let sum = String(bytes[..<512].reduce(0) { $0 + Int($1) }, radix: 8)
        let digits = String(repeating: "0", count: 6 - sum.count) + sum
        bytes.replaceSubrange(148..<154, with: Array(digits.utf8))
        bytes[154] = 0
        return bytes
    }

    @Test(arguments: [
        (0..<100, "../../etc/shadow"), (0..<100, "/etc/shadow"), (0..<100, "other.json"),
        (0..<100, ""), (124..<136, "77777777777"), (124..<136, "-1"), (124..<136, ""),
        (124..<136, "9"), (156..<157, "2"), (156..<157, "5"), (345..<500, "prefix"),
        (257..<262, "other"),
    ]) func `forged headers are refused`(field: Range<Int>, text: String) throws {
        let bytes = try forge(field, text)
        #expect(throws: LifeboatError(.damaged, "", subject: "web1")) {
            try DefinitionArchive.decode(bytes, subject: "web1")
        }
    }

    @Test func `a newer version is told as such`() throws {
        var definition = Self.example
        definition.description.version = 2
        let bytes = try DefinitionArchive.encode(definition)
        #expect(throws: LifeboatError(.unsupported, "", subject: "web1")) {
            try DefinitionArchive.decode(bytes, subject: "web1")
        }
    }

    @Test(arguments: TestSeeds.all) func `no bytes make it fall over`(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let good = try DefinitionArchive.encode(Self.example)
        for _ in 0..<200 {
            var bytes = good
            for _ in 0..<Int.random(in: 1...8, using: &generator) {
                bytes[Int.random(in: 0..<bytes.count, using: &generator)] = .random(
                    in: 0...255, using: &generator)
            }
            bytes.removeLast(Int.random(in: 0..<bytes.count / 2, using: &generator))
            _ = try? DefinitionArchive.decode(bytes, subject: "web1")
        }
    }
}
