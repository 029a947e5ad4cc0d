import LifeboatArchive
import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatProtocol
import LifeboatStore
import LifeboatSystem
import LifeboatTesting
import Testing

@testable import Lifeboat

/// Bounds, ownership and damage.
@Suite struct SpoolBoundTests {
    @Test func `a spool takes no more than it may`() throws {
        let site = try SpoolSite(seed: 10)
        try site.backUpAndPrepare()
        let local = try site.backUpToSpool(1)
        let used = try site.spool.usedBytes()
        site.change(20)
        let repository = try site.spooled(limit: used + 100_000)
        let failure = #expect(throws: LifeboatError.self) { try site.backUp(repository) }
        #expect(failure?.code == .full)
        #expect(failure?.advice?.contains("spool send") == true)
        // What did not become a point takes no room.
        #expect(try site.spool.usedBytes() == used)
        #expect(try site.spool.waiting().map(\.record.body) == local)
        #expect(try site.send().sent.count == 1)
    }

    @Test func `what an interrupted backup left goes on as part of the next`() throws {
        let site = try SpoolSite(seed: 11)
        let base = try site.backUpAndPrepare()
        site.change(10)
        let repository = try site.spooled()
        let spooling = try SpoolSession(
            repository, try repository.readLog(), isDryRun: false, packBuffers: 3)
        let chunk = [UInt8](repeating: 7, count: SpoolSite.chunkSize)
        _ = try spooling.session.store(chunk, again: true)
        try spooling.session.flush()
        spooling.session.end()
        #expect(try site.outbox().count == 1)
        let local = try #require(try site.backUp(try site.spooled()).point)
        #expect(try site.spool.waiting().first?.record.packs.count == 3)
        #expect(try site.send().sent.count == 1)
        try site.expect([base, local].compactMap { site.contents[$0] })
    }

    @Test func `without preparation there is no spool to open`() throws {
        let site = try SpoolSite(seed: 12)
        #expect(code { () throws(LifeboatError) in _ = try site.spooled() } == .missing)
        try site.backUp(site.host)
        #expect(code { () throws(LifeboatError) in _ = try site.spooled() } == .missing)
    }

    @Test func `a foreign directory is refused`() throws {
        let site = try SpoolSite(seed: 13)
        try site.backUpAndPrepare()
        let elsewhere = try SpoolSite(seed: 14)
        try elsewhere.backUp(elsewhere.host)
        let repository = elsewhere.host
        let path = site.spool.path
        func prepare(_ path: String) -> LifeboatError.Code? {
            code { () throws(LifeboatError) in
                try Operations(on: repository).prepare(Spool(path: path, limit: 1), repository)
            }
        }
        #expect(prepare(path) == .refused)
        #expect(
            code { () throws(LifeboatError) in
                _ = try SpoolSender(
                    repository, Spool(path: path, limit: 1), events: SilentSink(),
                    cancellation: Cancellation())
            } == .refused)
        // A directory of somebody's own files.
        let own = site.folder.file("own")
        try Files.makeDirectories(own)
        try Files.writeAtomically(own + "/letter", [1])
        #expect(prepare(own) == .refused)
        // Another state directory of the same repository.
        let copied = try site.opener.open("copied", site.secret)
        #expect(
            code { () throws(LifeboatError) in
                try Operations(on: copied).prepare(site.spool, copied)
            } == .refused)
    }

    @Test(arguments: ["owner", "notes", "outbox/records/0000000000000001"])
    func `a damaged spool is told`(name: String) throws {
        let site = try SpoolSite(seed: 15)
        try site.backUpAndPrepare()
        try site.backUpToSpool(1)
        try site.backUpToSpool(1)
        let path = site.spool.path + "/" + name
        var bytes = try Files.readWhole(path, limit: 1 << 20)
        bytes[bytes.count / 2] ^= 0x11
        try Files.writeAtomically(path, bytes)
        do {
            try site.send()
            Issue.record("the damage was not noticed")
        } catch let error as LifeboatError {
            #expect(error.code == .damaged || error.code == .refused)
        }
        #expect(try site.catalog().points.count == 1)
    }

    @Test func `a pack that is damaged in the spool is not sent`() throws {
        let site = try SpoolSite(seed: 16)
        try site.backUpAndPrepare()
        try site.backUpToSpool(1)
        for name in try site.outbox() where name.hasPrefix(ObjectNames.packsPrefix) {
            let path = site.spool.path + "/outbox/" + name
            var bytes = try Files.readWhole(path, limit: 1 << 30)
            bytes[bytes.count / 2] ^= 1
            try Files.writeAtomically(path, bytes)
        }
        let outcome = try site.send()
        #expect(outcome.sent.isEmpty && outcome.blocked.count == 1)
        #expect(try site.catalog().points.count == 1)
    }

    @Test func `one process at a time`() throws {
        let site = try SpoolSite(seed: 17)
        try site.backUpAndPrepare()
        let lock = try site.spool.lock()
        #expect(code { () throws(LifeboatError) in _ = try site.spool.lock() } == .refused)
        withExtendedLifetime(lock) {}
    }

    @Test func `the replica of a spool has no data and only what is needed`() throws {
        let site = try SpoolSite(seed: 18)
        try site.backUpAndPrepare()
        for _ in 0..<3 {
            site.change()
            try site.backUpAndPrepare()
        }
        let local = try site.backUpToSpool(1)
        let replica = DirectoryStore(path: site.spool.path + "/replica")
        var names: [String: UInt64] = [:]
        try replica.list("") { name, size throws(LifeboatError) in names[name.path] = size }
        #expect(names.keys.count { $0.hasPrefix(ObjectNames.pointsPrefix) } == 1)
        #expect(names.keys.count { $0.hasPrefix(ObjectNames.indexPrefix) } == 0)
        #expect(names.values.reduce(0, +) < UInt64(SpoolSite.chunkCount * SpoolSite.chunkSize) / 4)
        #expect(try site.send().sent.map(\.local) == local)
    }
}
