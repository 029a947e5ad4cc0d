import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatProtocol
import LifeboatStore
import LifeboatSystem
import LifeboatTesting
import Testing

@testable import LifeboatArchive

/// Logs whose beginnings a keeper has summed up and deleted.
@Suite struct CheckpointTests {
    private let test: TestRepository
    private let keeperSecret: WrappingSecret

    init() throws {
        test = try TestRepository()
        keeperSecret = try test.enrol(.keeper)
    }

    private func keeper(_ host: String = "keeper", _ secret: WrappingSecret? = nil)
        throws(LifeboatError) -> Repository
    {
        try test.open(host, secret: secret ?? keeperSecret)
    }

    /// Puts a checkpoint of everything and names it in the keeper's log, `change`d before.
    @discardableResult
    private func sumUp(
        _ keeper: Repository, signedBy key: SigningKey? = nil,
        _ change: (inout Checkpoint) -> Void = { _ in }
    ) throws -> LogEntry.CheckpointName {
        let keys = try keeper.requireKeeper()
        var checkpoint = try keeper.readLog().ledger.checkpoint(
            repository: keeper.id, member: keys.writer, incarnation: keys.writer, deleted: [])
        change(&checkpoint)
        let bytes = Repository.signed(.checkpoint, checkpoint.payload, by: key ?? keys.signing)
        let name = LogEntry.CheckpointName(
            ordinal: checkpoint.ordinal, digest: SHA256Hash.digest(bytes))
        try test.store.put(ObjectNames.checkpoint(name), bytes: bytes)
        _ = try keeper.keep { _ in { $0.checkpoint = name } }
        return name
    }

    /// Deletes the entries that a checkpoint covers and that are no anchors.
    private func deleteCovered(_ checkpoint: LogEntry.CheckpointName) throws -> Int {
        let bytes = try test.store.get(ObjectNames.checkpoint(checkpoint), limit: 1 << 20)
        let envelope = try Envelope(.checkpoint, decoding: bytes, isSigned: true, subject: "x")
        var count = 0
        for log in try Checkpoint(payload: envelope.payload, subject: "x").logs {
            for sequence in LogSearch.deletable(after: 0, upTo: log.head.sequence) {
                try test.store.delete(ObjectNames.logEntry(log.head.incarnation, sequence))
                count += 1
            }
        }
        return count
    }

    private func ids(_ entries: [VerifiedEntry]) -> Set<Digest> { Set(entries.map(\.id)) }

    @Test func `points are read from a checkpoint when their entries are gone`() throws {
        var entries = try test.append(20)
        entries += try test.append(3, "other")
        let keeper = try keeper()
        for number in 0..<40 {
            _ = try keeper.keep { _ in { $0.held = number == 3 ? [entries[7].id] : [] } }
        }
        let known = try test.open("knows").readLog()
        let name = try sumUp(keeper)
        // Of each long log entries are gone, and some stay, by which its end is found.
        #expect(try deleteCovered(name) == 30)
        for host in ["knows", "fresh"] {
            let log = try test.open(host).readLog()
            #expect(log.problems.isEmpty, "\(host)")
            #expect(log.ledger.base == name)
            #expect(log.ledger.points == known.ledger.points)
            #expect(log.ledger.points.filter(\.isHeld).map(\.id) == [entries[7].id])
            #expect(log.entries.count == 1, "the keeper's entry that names it")
        }
        // Everybody goes on behind it.
        let more = try test.append(2) + test.append(2, "other") + test.append(1, "third")
        _ = try keeper.keep { _ in { $0.held = [more[0].id] } }
        let log = try test.readFresh()
        #expect(log.problems.isEmpty)
        #expect(Set(log.ledger.points.map(\.id)) == ids(entries + more))
        #expect(Set(log.ledger.points.filter(\.isHeld).map(\.id)) == [entries[7].id, more[0].id])
        #expect(more[0].entry.sequence == 42)
        #expect(more[0].entry.incarnation == entries[0].entry.incarnation)
    }

    @Test func `the checkpoint with the greatest ordinal counts`() throws {
        try test.append(2)
        let second = try test.enrol(.keeper)
        let other = try keeper("second", second)
        let first = try sumUp(try keeper())
        try test.append(1)
        let next = try sumUp(other)
        #expect(next.ordinal == first.ordinal + 1)
        let log = try test.readFresh()
        #expect(log.problems.isEmpty)
        #expect(log.ledger.base == next)
        #expect(log.ledger.points.count == 3)
    }

    @Test func `a damaged or missing checkpoint falls back to entries and is told`() throws {
        let entries = try test.append(3)
        let name = try sumUp(try keeper())
        let object = ObjectNames.checkpoint(name)
        let bytes = try test.store.get(object, limit: 1 << 20)
        for change in ["damaged", "missing"] {
            if change == "damaged" {
                test.store.tamper(object) { $0[100] ^= 1 }
            } else {
                try test.store.delete(object)
            }
            let log = try test.readFresh()
            #expect(log.problems.map(\.subject) == [object.path], "\(change)")
            #expect(log.keeperProblems.map(\.subject) == [object.path], "\(change)")
            #expect(log.ledger.base == nil)
            #expect(Set(log.ledger.points.map(\.id)) == ids(entries), "\(change)")
            test.store.tamper(object) { $0 = bytes }
        }
    }

    @Test func `a damaged checkpoint falls back to an older one that stands`() throws {
        let entries = try test.append(3)
        let second = try test.enrol(.keeper)
        let first = try sumUp(try keeper())
        let more = try test.append(2)
        // A keeper goes on naming the newest that it knows; this one has not been back since.
        let next = try sumUp(try keeper("second", second))
        _ = try deleteCovered(first)
        test.store.tamper(ObjectNames.checkpoint(next)) { $0[100] ^= 1 }
        let log = try test.readFresh()
        #expect(log.problems.map(\.subject) == [ObjectNames.checkpoint(next).path])
        #expect(log.ledger.base == first)
        #expect(Set(log.ledger.points.map(\.id)) == ids(entries + more))
    }

    @Test func `entries that no checkpoint covers any more are told one by one`() throws {
        let entries = try test.append(20)
        let name = try sumUp(try keeper())
        #expect(try deleteCovered(name) == 15)
        try test.append(1)
        try test.store.delete(ObjectNames.checkpoint(name))
        let log = try test.readFresh()
        let gone = (1...15).map { ObjectNames.logEntry(entries[0].entry.incarnation, $0).path }
        #expect(
            Set(log.problems.map(\.subject)) == Set(gone + [ObjectNames.checkpoint(name).path]))
        #expect(log.ledger.points.count == 14)
    }

    @Test func `a checkpoint that no keeper signed is refused`() throws {
        let entries = try test.append(2)
        let writer = try test.open().requireMember()
        let keeper = try keeper()
        let changes: [(SigningKey?, (inout Checkpoint) -> Void)] = [
            (.generate(), { $0.points = [] }), (writer.signing, { $0.points = [] }),
            (
                writer.signing,
                {
                    $0.points = []
                    $0.member = writer.writer
                }
            ),
            (
                nil,
                {
                    $0.points = []
                    $0.repository = .random()
                }
            ),
        ]
        for (number, (key, change)) in changes.enumerated() {
            let name = try sumUp(keeper, signedBy: key) { checkpoint in
                change(&checkpoint)
                checkpoint.ordinal += UInt64(number)
            }
            let log = try test.readFresh()
            #expect(
                log.problems.map(\.subject) == [ObjectNames.checkpoint(name).path], "\(number)")
            #expect(Set(log.ledger.points.map(\.id)) == ids(entries), "\(number)")
        }
    }

    @Test func `a log that ends before its checkpoint's last entry is no rollback`() throws {
        let entries = try test.append(20)
        let name = try sumUp(try keeper())
        _ = try test.open("knows").readLog()
        for sequence in UInt64(1)...40 {
            try test.store.delete(ObjectNames.logEntry(entries[0].entry.incarnation, sequence))
        }
        let log = try test.open("knows").readLog()
        #expect(log.problems.isEmpty)
        #expect(log.ledger.base == name)
        #expect(log.heads.contains { $0 == entries[19].head })
        #expect(try test.append(1)[0].entry.sequence == 42)
    }

    @Test func `a log that lost its entries behind the checkpoint is told`() throws {
        let entries = try test.append(2)
        try sumUp(try keeper())
        try test.append(1)
        for sequence in UInt64(5)...6 {
            try test.store.delete(ObjectNames.logEntry(entries[0].entry.incarnation, sequence))
        }
        let last = ObjectNames.logEntry(entries[0].entry.incarnation, 6)
        #expect(try test.open().readLog().problems.map(\.subject).contains(last.path))
        #expect(code { () throws(LifeboatError) in try test.append(1) } == .refused)
    }

    @Test func `a host that remembers more reads what a set back repository has`() throws {
        let first = try test.append(3)
        let keeper = try keeper()
        _ = try deleteCovered(try sumUp(keeper))
        var kept: [(ObjectName, [UInt8])] = []
        for path in test.store.names {
            let name = ObjectName(path)
            kept.append((name, try test.store.get(name, limit: 1 << 24)))
        }
        try test.append(2)
        _ = try deleteCovered(try sumUp(keeper))
        #expect(try test.open("watcher").readLog().ledger.points.count == 5)
        for path in test.store.names { try test.store.delete(ObjectName(path)) }
        for (name, bytes) in kept { try test.store.put(name, bytes: bytes) }
        let log = try test.open("watcher").readLog()
        #expect(Set(log.ledger.points.map(\.id)) == ids(first))
        #expect(!log.problems.isEmpty)
        #expect(!log.keeperProblems.isEmpty)
    }

    @Test func `a damaged last entry of a keeper does not hide the checkpoint`() throws {
        let entries = try test.append(3)
        let keeper = try keeper()
        _ = try deleteCovered(try sumUp(keeper))
        _ = try keeper.keep { _ in { $0.held = [entries[0].id] } }
        let last = try #require(
            try keeper.readLog().heads.first {
                Incarnation.number(of: $0.incarnation, member: try keeper.requireKeeper().writer)
                    != nil
            })
        test.store.tamper(test.name(last)) { $0[60] ^= 1 }
        let log = try test.readFresh()
        #expect(Set(log.ledger.points.map(\.id)) == ids(entries))
        #expect(log.keeperProblems.map(\.subject) == [test.name(last).path])
    }
}
