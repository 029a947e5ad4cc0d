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

@Suite struct ReplicaRepairTests {
    private let site: ReplicaSite

    /// A repository with a checkpoint, entries behind it, and its replica.
    init() throws {
        site = try ReplicaSite()
        var random = SeededGenerator(seed: 5)
        for _ in 0..<3 { try site.backUp(0, &random) }
        try site.prune(0)
        for _ in 0..<2 { try site.backUp(1, &random) }
        try site.sync()
    }

    private func verify(
        _ store: any ObjectStore, depth: VerificationOptions.Depth = .data
    ) throws -> VerificationResult {
        let repository = try site.open("verify", nil, store: store, withRecovery: true)
        var options = VerificationOptions()
        options.depth = depth
        options.threads = 1
        let run = VerificationRun(
            repository, options: options, events: SilentSink(), cancellation: Cancellation())
        run.repair = ObjectRepair(repository, from: [(try site.record, site.target)]) { error in
            Issue.record("\(error)")
        }
        return try run.run()
    }

    private func names(_ prefix: String) -> [String] {
        site.source.names.filter { $0.hasPrefix(prefix) }.sorted()
    }

    /// What stands under all names that are never set aside.
    private func content() throws -> [String: [UInt8]] {
        var result: [String: [UInt8]] = [:]
        for name in site.source.names where !name.hasPrefix(ObjectNames.checksPrefix) {
            result[name] = try site.source.get(ObjectName(name), limit: 1 << 26)
        }
        return result
    }

    @Test(
        arguments: [
            ObjectNames.packsPrefix, ObjectNames.indexPrefix, ObjectNames.pointsPrefix,
            ObjectNames.logPrefix, ObjectNames.checkpointsPrefix, ObjectNames.keysPrefix,
        ], [true, false])
    func `every kind of object is put back`(prefix: String, isMissing: Bool) throws {
        let right = try content()
        let log = try site.open("reader", nil).readLog()
        // Anchors are read by nobody as long as the last entry is there.
        let live = Set(
            log.recent.values.joined().map {
                ObjectNames.logEntry($0.entry.incarnation, $0.entry.sequence).path
            })
        var expected = 0
        for name in names(prefix) where prefix != ObjectNames.logPrefix || live.contains(name) {
            // A key slot that is gone was removed by somebody, as far as anybody knows.
            if isMissing, prefix == ObjectNames.keysPrefix { continue }
            if prefix == ObjectNames.checkpointsPrefix,
                !name.hasSuffix(log.ledger.base?.digest.hex ?? "-")
            {
                continue
            }
            if isMissing {
                try site.source.delete(ObjectName(name))
            } else {
                site.source.tamper(ObjectName(name)) { $0[$0.count / 3] ^= 0x40 }
            }
            expected += 1
        }
        let result = try verify(site.source)
        #expect(result.problems.map(\.message) == [])
        // A slot's sealed part says nothing to who has not its secret.
        if prefix != ObjectNames.keysPrefix {
            #expect(result.repaired.count == expected)
            let now = try content()
            #expect(now == right)
        }
        #expect(try verify(site.source).repaired.isEmpty)
    }

    @Test func `what was set aside comes back, and what was interrupted is ended`() throws {
        let right = try content()
        let pack = try #require(names(ObjectNames.packsPrefix).first)
        let digest = try #require(ObjectNames.digest(ObjectName(pack)))
        site.source.tamper(ObjectName(pack)) { $0[100] ^= 1 }
        let repository = try site.open("verify", nil, withRecovery: true)
        try PackScrub.setAside(digest, in: repository)
        #expect(site.source.names.contains(ObjectNames.damagedMarker(digest).path))
        let result = try verify(site.source, depth: .structure)
        #expect(result.problems.isEmpty && result.repaired.map(\.object) == [pack])
        #expect(try content() == right)
        // Put back, and then interrupted: only the marker is left.
        try site.source.put(ObjectNames.damagedMarker(digest), bytes: [1])
        #expect(try verify(site.source, depth: .structure).problems.isEmpty)
        #expect(try content() == right)
    }

    @Test func `each moment of a repair leaves something that the next one heals`() throws {
        let right = try content()
        let pack = try #require(names(ObjectNames.packsPrefix).last)
        for calls in 0..<40 {
            site.source.tamper(ObjectName(pack)) { $0[100] ^= 1 }
            let faulty = FaultStore(site.source)
            let repository = try site.open("verify", nil, store: faulty, withRecovery: true)
            let repair = ObjectRepair(repository, from: [(try site.record, site.target)]) { _ in }
            faulty.follow(.gone(after: calls, .unavailable))
            _ = try? repair.repair(pack)
            faulty.follow(.scripted([:]))
            _ = try repair.repair(pack)
            #expect(try content() == right, "after \(calls) calls")
        }
    }

    @Test func `what was deleted is not put back, and nothing that is not right`() throws {
        var random = SeededGenerator(seed: 6)
        let before = ReplicaSite.objects(site.source)
        for _ in 0..<2 { try site.backUp(0, &random) }
        try site.forget(0, keepLast: 1)
        try site.prune(0)
        let gone = before.subtracting(ReplicaSite.objects(site.source))
        #expect(!gone.isEmpty)
        let repository = try site.open("verify", nil, withRecovery: true)
        let repair = ObjectRepair(repository, from: [(try site.record, site.target)]) { _ in }
        for name in gone { #expect(try repair.repair(name) == nil) }
        #expect(ReplicaSite.objects(site.source).isDisjoint(with: gone))
        try site.sync()
        // Damaged on both sides.
        let pack = try #require(names(ObjectNames.packsPrefix).first)
        site.source.tamper(ObjectName(pack)) { $0[100] ^= 1 }
        site.target.tamper(ObjectName(pack)) { $0[200] ^= 1 }
        #expect(try repair.repair(pack) == nil)
        let result = try verify(site.source)
        #expect(result.problems.contains { $0.object == pack })
    }

    @Test func `a replica is healed by asking for everything`() throws {
        let pack = try #require(names(ObjectNames.packsPrefix).first)
        try site.target.delete(ObjectName(pack))
        #expect(try site.sync().objectsCopied == 0)
        let outcome = try site.sync { $0.asksForAll = true }
        #expect(outcome.objectsCopied == 1)
        try site.expectAll()
    }

    @Test func `a partial replica shows what it takes, and says what it has not`() throws {
        var record = try site.record
        record.machines = ["m1"]
        record.view = 0
        let partial = MemoryStore(location: "partial")
        record.name = "partial"
        record.location = "partial"
        func sync(_ withKey: Bool) throws -> ReplicaSync.Outcome {
            try ReplicaSync(
                try site.open("sync", nil, withRecovery: withKey), to: partial, record,
                options: .init(), events: SilentSink(), cancellation: Cancellation()
            ).run()
        }
        #expect(throws: LifeboatError.self) { try sync(false) }
        let outcome = try sync(true)
        #expect(outcome.isComplete && outcome.points == 2 && outcome.absentPoints == 3)
        #expect(
            ReplicaSite.objects(partial).count < ReplicaSite.objects(site.source).count)
        let reader = try site.open("partial", nil, store: partial, withRecovery: true)
        let log = try reader.readLog()
        #expect(log.problems.isEmpty && log.ledger.points.count == 2)
        let catalog = try PointCatalog(reader, log: log)
        #expect(catalog.points.allSatisfy { $0.body.machine == "m1" })
        var options = VerificationOptions()
        options.depth = .data
        let sound = try Operations(on: reader).verify(options)
        #expect(sound.problems.map(\.message) == [])
        let absent = try #require(log.view?.absentPoints.first)
        #expect(code { () throws(LifeboatError) in _ = try catalog.find(absent.hex) } == .missing)
        #expect(code { () throws(LifeboatError) in _ = try reader.promote() } == .refused)
    }
}
