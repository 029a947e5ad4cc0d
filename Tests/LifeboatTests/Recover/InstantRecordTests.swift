import LifeboatArchive
import LifeboatCodec
import LifeboatCore
import LifeboatSystem
import LifeboatTesting
import Testing

@testable import Lifeboat

@Suite struct InstantRecordTests {
    private let folder: TemporaryDirectory
    private let directories: LocalDirectories

    init() throws {
        folder = try TemporaryDirectory()
        directories = try LocalDirectories(
            stateRoot: folder.file("state"), cacheRoot: folder.file("cache"), repository: .random())
    }

    private func record(_ session: String) -> InstantRecord {
        var record = InstantRecord(
            session: session, point: SHA256Hash.digest([1, 2, 3]), uri: "qemu:///system",
            socket: "/run/x",
            machines: [
                .init(
                    original: "web", name: "web-2", uuid: "u", xml: "<domain a='\"'/>",
                    disks: [.init(target: "vda", path: "/d/web-2-vda.qcow2", size: 1 << 40)])
            ])
        record.keeper = 4711
        record.log = "/log"
        return record
    }

    @Test func `a session is found again as it was noted`() throws {
        #expect(try InstantRecord.all(directories).isEmpty)
        try record("00000002").write(directories)
        try record("00000001").write(directories)
        let all = try InstantRecord.all(directories)
        #expect(all.map(\.session) == ["00000001", "00000002"])
        let found = try #require(all.last)
        #expect(found.point == record("").point)
        #expect(found.socket == "/run/x")
        #expect(found.keeper == 4711)
        #expect(found.log == "/log")
        #expect(found.machines.first?.xml == "<domain a='\"'/>")
        #expect(found.machines.first?.disks.first?.size == 1 << 40)
        InstantSession.remove(found, directories)
        #expect(try InstantRecord.all(directories).count == 1)
    }

    @Test func `one process looks after a session at a time`() throws {
        let record = record("00000001")
        try record.write(directories)
        #expect(!InstantSession.isLocked(record, directories))
        let first = try InstantSession.lock(record, directories)
        #expect(InstantSession.isLocked(record, directories))
        #expect(throws: LifeboatError(.refused, "", subject: "00000001")) {
            try InstantSession.lock(record, directories)
        }
        first.unlock()
        #expect(!InstantSession.isLocked(record, directories))
        _ = try InstantSession.lock(record, directories)
    }

    @Test func `a record that is cut off is damaged`() throws {
        let record = record("00000001")
        try record.write(directories)
        let path = record.path(directories)
        let bytes = try Files.readWhole(path, limit: 1 << 20)
        try Files.writeAtomically(path, Array(bytes.dropLast(9)))
        #expect(throws: LifeboatError(.damaged, "", subject: path)) {
            try InstantRecord.all(directories)
        }
    }
}
