import LifeboatArchive
import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatStore
import LifeboatSystem
import LifeboatTesting
import Testing

@testable import Lifeboat

@Suite struct ReplicaTests {
    @Test(arguments: TestSeeds.scaled(0.4))
    func `interrupted after every call, it is whole at every moment`(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let site = try ReplicaSite()
        for round in 0..<4 {
            for _ in 0..<(2 + random.next() % 4) { try site.happen(&random) }
            let before = try site.check()
            var isDone = false
            // Each attempt goes on where the one before was cut off, some calls further.
            var calls = 1
            while !isDone {
                let faulty = FaultStore(site.target, plan: .gone(after: calls, .unavailable))
                do {
                    let outcome = try site.sync(to: faulty)
                    #expect(outcome.isComplete)
                    isDone = true
                } catch let error as LifeboatError {
                    #expect(error.code == .unavailable, "\(error)")
                }
                let shown = try site.check("seed \(seed), round \(round), \(calls) calls")
                let now = try site.points()
                #expect(shown == before || shown == now)
                calls += 1 + Int(random.next() % 23)
            }
            try site.expectAll()
            #expect(ReplicaSite.objects(site.target).isSubset(of: ReplicaSite.objects(site.source)))
        }
    }

    @Test(arguments: TestSeeds.scaled(0.4))
    func `lost replies and failures do no harm`(seed: UInt64) throws {
        try expectWhole(seed, with: [.lostReply(.unavailable), .fail(.unavailable)]) {
            site, round throws in try site.check("seed \(seed), round \(round)")
        }
    }

    /// No store that Lifeboat knows leaves a part of an object under its name; where one did, the
    /// next run mends it, and in between a reader may have to say that something is damaged.
    @Test(arguments: TestSeeds.scaled(0.4))
    func `cut objects are replaced`(seed: UInt64) throws {
        try expectWhole(seed, with: [.torn(bytes: 100), .fail(.unavailable)]) { _, _ in }
    }

    /// Brings a replica up to date over faults until it is, and has it looked at after each attempt.
    private func expectWhole(
        _ seed: UInt64, with faults: [FaultStore.Fault],
        look: (_ site: ReplicaSite, _ round: Int) throws -> Void
    ) throws {
        var random = SeededGenerator(seed: seed)
        let site = try ReplicaSite()
        for round in 0..<4 {
            for _ in 0..<(1 + random.next() % 5) { try site.happen(&random) }
            var isDone = false
            while !isDone {
                let faulty = FaultStore(
                    site.target,
                    plan: .seeded(random.next(), probability: 0.02, faults))
                do {
                    isDone = try site.sync(to: faulty, threads: 3).isComplete
                } catch let error as LifeboatError {
                    #expect(error.code == .unavailable, "\(error)")
                }
                try look(site, round)
            }
            try site.check("seed \(seed), round \(round)")
            try site.expectAll()
        }
    }

    @Test(arguments: TestSeeds.all)
    func `backups and collection at the source may go on meanwhile`(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let site = try ReplicaSite()
        for _ in 0..<3 { try site.happen(&random) }
        for round in 0..<6 {
            let seeds = Guarded((random: SeededGenerator(seed: random.next()), left: 6))
            let busy = BusyStore(site.source, every: 3 + Int(random.next() % 30)) {
                var own = seeds.withLock { state in
                    state.left -= 1
                    return state
                }
                guard own.left >= 0 else { return }
                #expect(throws: Never.self) { try site.happen(&own.random) }
                seeds.withLock { $0.random = own.random }
            }
            let outcome = try site.sync(from: busy, threads: 1 + Int(random.next() % 2))
            #expect(outcome.isComplete)
            try site.check("seed \(seed), round \(round)")
        }
        try site.sync()
        try site.expectAll()
    }

    @Test(arguments: TestSeeds.all)
    func `what the source deletes goes at the replica, and never comes back`(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let site = try ReplicaSite()
        for _ in 0..<6 { try site.backUp(Int(random.next() % 2), &random) }
        try site.sync()
        let before = ReplicaSite.objects(site.target)
        try site.forget(0, keepLast: 1)
        try site.prune(0)
        let gone = before.subtracting(ReplicaSite.objects(site.source))
        #expect(!gone.isEmpty)
        // Interrupted somewhere, and then done.
        let faulty = FaultStore(
            site.target, plan: .gone(after: Int(random.next() % 120), .unavailable))
        _ = try? site.sync(to: faulty)
        try site.check()
        let outcome = try site.sync()
        #expect(outcome.isComplete)
        #expect(ReplicaSite.objects(site.target).isDisjoint(with: gone))
        #expect(ReplicaSite.objects(site.target) == ReplicaSite.objects(site.source))
        try site.expectAll()
        // Once more finds nothing to do, and asks for nothing.
        let again = try site.sync()
        #expect(again.isComplete && again.objectsCopied == 0 && again.deletedObjects == 0)
        #expect(again.view == outcome.view)
    }

    @Test func `a new replica of a collected repository is found by its logs' ends`() throws {
        var random = SeededGenerator(seed: 7)
        let site = try ReplicaSite()
        for _ in 0..<12 {
            try site.backUp(0, &random)
            try site.forget(0, keepLast: 2)
            try site.prune(0)
            try site.sync()
        }
        try site.expectAll()
        // Also to readers who know nothing of views, once nothing is under way.
        try site.target.delete(ObjectNames.replicaMark)
        try site.expectAll()
    }

    @Test func `damage at the source is told and not copied`() throws {
        var random = SeededGenerator(seed: 1)
        let site = try ReplicaSite()
        let old = try site.backUp(0, &random)
        try site.sync()
        let had = ReplicaSite.objects(site.target)
        try site.backUp(1, &random)
        let fresh = ReplicaSite.objects(site.source).subtracting(had)
        let pack = try #require(fresh.first { $0.hasPrefix(ObjectNames.packsPrefix) })
        let right = try site.source.get(ObjectName(pack), limit: 1 << 26)
        site.source.tamper(ObjectName(pack)) { $0[$0.count / 2] ^= 1 }
        let outcome = try site.sync()
        #expect(!outcome.isComplete)
        #expect(outcome.damaged.map(\.subject) == [pack])
        #expect(try site.check() == [old])
        #expect(!ReplicaSite.objects(site.target).contains(pack))
        // Missing is found as well, and going on without it is a choice.
        try site.source.delete(ObjectName(pack))
        #expect(try site.sync().damaged.map(\.subject) == [pack])
        let accepted = try site.sync { $0.acceptsDamage = true }
        #expect(accepted.points == 2 && !accepted.isComplete)
        try site.source.put(ObjectName(pack), bytes: right)
        #expect(try site.sync().isComplete)
        try site.expectAll()
    }

    @Test func `a source that was set back or exchanged is refused`() throws {
        var random = SeededGenerator(seed: 1)
        let site = try ReplicaSite()
        try site.backUp(0, &random)
        try site.backUp(0, &random)
        try site.sync()
        let shown = try site.check()
        let last = try #require(
            site.source.names.filter { $0.hasPrefix(ObjectNames.logPrefix) }.max())
        let other = MemoryStore(location: "source")
        for name in site.source.names where name != last {
            try other.put(
                ObjectName(name), bytes: try site.source.get(ObjectName(name), limit: 1 << 26))
        }
        try Files.removeTree(site.folder.file("sync-state"))
        #expect(
            code { () throws(LifeboatError) in
                try onlyLifeboatErrors { try site.sync(from: other) }
            } == .damaged)
        #expect(try site.check() == shown)
        let stranger = try ReplicaSite()
        #expect(
            code { () throws(LifeboatError) in
                try onlyLifeboatErrors { try site.sync(from: stranger.source) }
            } == .refused)
        #expect(try site.check() == shown)
    }

    @Test func `damaged configurations of a replica are brought back, not those of another`() throws
    {
        var random = SeededGenerator(seed: 5)
        let site = try ReplicaSite()
        let other = try ReplicaSite()
        try site.backUp(0, &random)
        try site.sync()
        site.target.tamper(ObjectNames.configuration(1)) { $0.removeLast() }
        let refusal = #expect(throws: LifeboatError.self) { try other.sync(to: site.target) }
        #expect(refusal?.code == .refused)
        #expect(throws: LifeboatError.self) { try site.check() }
        try site.backUp(0, &random)
        try site.sync()
        try site.expectAll()
    }

    @Test func `nobody writes to a replica until it is promoted`() throws {
        var random = SeededGenerator(seed: 1)
        let site = try ReplicaSite()
        try site.backUp(0, &random)
        try site.sync()
        try site.backUp(0, &random)
        // Interrupted before anything is shown.
        let points = try site.check()
        let size = site.target.names.count
        var calls = 0
        while site.target.names.filter({ $0.hasPrefix(ObjectNames.logPrefix) }).count < 3 {
            calls += 1
            _ = try? site.sync(
                to: FaultStore(site.target, plan: .gone(after: calls, .unavailable)))
        }
        #expect(site.target.names.count > size)
        #expect(try site.check() == points)
        let replica = try site.open("admin", nil, store: site.target, withRecovery: true)
        #expect(replica.isReplica)
        let secret = WrappingSecret.keyFile(SecretBytes(randomBytes(32)))
        #expect(
            code { () throws(LifeboatError) in
                _ = try replica.enrol(
                    .writer, domain: try replica.requireDomain().domain, label: "", secret: secret)
            } == .refused)
        #expect(try replica.promote() > 0)
        #expect(try site.check() == points)
        let promoted = try site.open("new", nil, store: site.target, withRecovery: true)
        _ = try promoted.enrol(
            .writer, domain: try promoted.requireDomain().domain, label: "", secret: secret)
        let writer = try site.open("new", secret, store: site.target)
        let path = site.folder.file("volume")
        try Files.writeAtomically(path, random.bytes(40000))
        _ = try Operations(on: writer).backup(
            BackupOptions(machine: "new", sources: [.init(name: "disk", path: path)]))
        // And it is no replica any more.
        #expect(
            code { () throws(LifeboatError) in
                try onlyLifeboatErrors { try site.sync() }
            } == .refused)
    }

    private func onlyLifeboatErrors(_ body: () throws -> Void) throws(LifeboatError) {
        do { try body() } catch let error as LifeboatError {
            throw error
        } catch {
            throw LifeboatError(.internalFault, "\(error)")
        }
    }
}
