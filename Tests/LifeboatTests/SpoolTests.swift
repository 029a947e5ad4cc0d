import Foundation
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

/// Backups without the store, and what is sent of them later: formats/spool.md.
@Suite struct SpoolTests {
    @Test func `points made without the store are sent in order and restore bit for bit`() throws {
        let site = try SpoolSite(seed: 1)
        let base = try site.backUpAndPrepare()
        let objects = site.memory.names
        let local = try site.backUpToSpool(3)
        #expect(site.memory.names == objects, "an offline backup touched the store")
        let waiting = try site.spool.points(try site.spooled()) { _ in }
        #expect(waiting.map(\.id) == local)
        #expect(waiting.map(\.body.parent) == [base] + local.dropLast())
        #expect(waiting.allSatisfy { $0.body.volumes[0].bytesUnchanged > 0 })

        let outcome = try site.send()
        #expect(outcome.sent.map(\.local) == local)
        #expect(outcome.blocked.isEmpty)
        let points = try site.catalog().points
        #expect(points.map(\.id) == [base] + outcome.sent.map(\.point))
        #expect(points.map(\.body.parent) == [.zero, base] + outcome.sent.map(\.point).dropLast())
        #expect(points.dropFirst().map(\.body.ended) == waiting.map(\.body.ended))
        #expect(points.dropFirst().map(\.record.time) == waiting.map(\.body.ended))
        try site.expect(([base] + local).compactMap { site.contents[$0] })
        #expect(try site.outbox().isEmpty)
        #expect(site.packsPutTwice.isEmpty)
        // Nothing is left to do, and the next point builds on the last one that was sent.
        #expect(try site.send().sent.isEmpty)
        site.change()
        #expect(try site.backUp(site.host).parent == outcome.sent.last?.point)
        try site.prune(0, steps: 3)
        try site.expect(
            try site.catalog().points.compactMap { point in
                site.contents[point.id]
                    ?? outcome.sent.first { $0.point == point.id }.flatMap {
                        site.contents[$0.local]
                    }
            })
    }

    @Test(arguments: TestSeeds.all) func `an interrupted sending goes on, and sends nothing twice`(
        seed: UInt64
    ) throws {
        let site = try SpoolSite(seed: seed)
        var random = SeededGenerator(seed: seed &+ 1000)
        let base = try site.backUpAndPrepare()
        let local = try site.backUpToSpool(3)
        for round in 0..<30 {
            let store = FaultStore(
                site.source, plan: .gone(after: Int(random.next() % 120), .unavailable))
            let result = code { () throws(LifeboatError) in
                do { try site.send(through: store) } catch let error as LifeboatError {
                    throw error
                } catch {
                    throw LifeboatError(.internalFault, "\(error)")
                }
            }
            #expect(result == nil || result == .unavailable, "seed \(seed), round \(round)")
            switch random.next() % 4 {
            case 0: try site.prune(Int(random.next() % 2))
            case 1: try site.backUp(site.other, machine: "mail", bytes: random.bytes(40000))
            default: break
            }
        }
        let outcome = try site.send()
        #expect(outcome.blocked.isEmpty, "seed \(seed)")
        #expect(try site.spool.waiting().isEmpty)
        try site.expect(([base] + local).compactMap { site.contents[$0] }, "seed \(seed)")
        #expect(site.packsPutTwice.isEmpty, "seed \(seed)")
        try site.prune(0, steps: 3)
        try site.prune(1, steps: 3)
        try site.expect(([base] + local).compactMap { site.contents[$0] }, "seed \(seed), pruned")
    }

    @Test func `after each call that a sending can die at nothing is put twice`() throws {
        var calls = 0
        while true {
            let site = try SpoolSite(seed: 2)
            let base = try site.backUpAndPrepare()
            let local = try site.backUpToSpool(2)
            let store = FaultStore(site.source, plan: .gone(after: calls, .unavailable))
            var isOver = false
            do {
                try site.send(through: store)
                isOver = store.faultCount == 0
            } catch let error as LifeboatError {
                #expect(error.code == .unavailable)
            }
            let outcome = try site.send()
            #expect(outcome.blocked.isEmpty, "after \(calls)")
            #expect(site.packsPutTwice.isEmpty, "after \(calls)")
            // Two of each point; none got another name, for nobody took them for garbage.
            let packs = site.source.counts.keys.filter { $0.hasPrefix(ObjectNames.packsPrefix) }
            #expect(packs.count == 6, "after \(calls)")
            try site.expect(([base] + local).compactMap { site.contents[$0] }, "after \(calls)")
            if isOver { break }
            calls += 7
        }
        #expect(calls > 50)
    }

    @Test(arguments: TestSeeds.all) func `lost replies and failures harm no point`(
        seed: UInt64
    ) throws {
        let site = try SpoolSite(seed: seed)
        let base = try site.backUpAndPrepare()
        let local = try site.backUpToSpool(2)
        let store = FaultStore(
            site.source,
            plan: .seeded(
                seed, probability: 0.02, [.fail(.unavailable), .lostReply(.unavailable)]))
        for _ in 0..<40 {
            do { try site.send(through: store) } catch let error as LifeboatError {
                #expect(error.code == .unavailable, "seed \(seed): \(error)")
            }
        }
        try site.send()
        try site.expect(([base] + local).compactMap { site.contents[$0] }, "seed \(seed)")
    }

    @Test func `a run that died between commit and removal does not commit again`() throws {
        let site = try SpoolSite(seed: 3)
        let base = try site.backUpAndPrepare()
        let local = try site.backUpToSpool(1)
        // The spool as it is when the entry is put that adds the point.
        let copy = site.folder.file("copy")
        let path = site.spool.path
        site.source.beforePut { name in
            guard name.hasPrefix(ObjectNames.logPrefix) else { return }
            try? FileManager.default.removeItem(atPath: copy)
            try? FileManager.default.copyItem(atPath: path, toPath: copy)
        }
        try site.send()
        site.source.beforePut(nil)
        #expect(try site.catalog().points.count == 2)
        try FileManager.default.removeItem(atPath: path)
        try FileManager.default.moveItem(atPath: copy, toPath: path)
        #expect(try site.spool.waiting().count == 1)
        let again = try site.send()
        #expect(again.sent.map(\.local) == local)
        #expect(try site.catalog().points.map(\.id) == [base, again.sent[0].point])
        #expect(try site.outbox().isEmpty)
        #expect(site.packsPutTwice.isEmpty)
    }

    @Test func `packs of a dead run that a keeper may have deleted get new names`() throws {
        let site = try SpoolSite(seed: 4)
        let base = try site.backUpAndPrepare()
        let local = try site.backUpToSpool(1)
        let before = Set(try site.outbox())
        // Dies when the packs are there, and before the point is.
        let store = FaultStore(site.source)
        site.source.beforePut { name in
            if name.hasPrefix(ObjectNames.indexPrefix) {
                store.follow(.gone(after: 0, .unavailable))
            }
        }
        #expect(throws: LifeboatError.self) { try site.send(through: store) }
        site.source.beforePut(nil)
        let sent = before.filter { site.source.counts[$0] != nil }
        #expect(!sent.isEmpty)
        // The keeper takes them for garbage, but the session that put them is still open.
        try site.prune(0, steps: 3)
        #expect(sent.allSatisfy { site.memory.names.contains($0) })
        let outcome = try site.send()
        #expect(outcome.sent.map(\.local) == local)
        #expect(site.packsPutTwice.isEmpty)
        try site.prune(0, steps: 4)
        #expect(sent.allSatisfy { !site.memory.names.contains($0) })
        try site.expect(([base] + local).compactMap { site.contents[$0] })
    }

    @Test func `what was put by a run that nothing is known of any more is not put again`() throws {
        let site = try SpoolSite(seed: 19)
        let base = try site.backUpAndPrepare()
        let local = try site.backUpToSpool(1)
        let store = FaultStore(site.source)
        site.source.beforePut { name in
            if name.hasPrefix(ObjectNames.indexPrefix) {
                store.follow(.gone(after: 0, .unavailable))
            }
        }
        #expect(throws: LifeboatError.self) { try site.send(through: store) }
        site.source.beforePut(nil)
        let sessions = site.host.directories.state + "/sessions"
        for name in try Files.list(sessions) { try Files.remove(sessions + "/" + name) }
        // The next session ends the dead one; then the keepers delete what that had put.
        let between = try site.backUp(site.host, machine: "mail", bytes: SpoolSite.unrelated)
        #expect(between.place == .remote)
        try site.prune(0, steps: 4)
        try site.prune(1, steps: 4)
        let sent = try site.outbox().filter { site.source.counts[$0] != nil }
        #expect(!sent.isEmpty && sent.allSatisfy { !site.memory.names.contains($0) })
        #expect(try site.send().sent.map(\.local) == local)
        #expect(site.packsPutTwice.isEmpty)
        try site.prune(0, steps: 4)
        try site.expect([base, local[0]].compactMap { site.contents[$0] })
    }

    @Test func `what is made after a part was sent builds on what waits`() throws {
        let site = try SpoolSite(seed: 20)
        let base = try site.backUpAndPrepare()
        // The second point has nodes of the first one, which goes before it.
        var local = try site.backUpToSpool(in: 0..<32) + site.backUpToSpool(in: 96..<128)
        // The way is gone when the second point is begun.
        let store = FaultStore(site.source)
        let entries = Guarded(0)
        site.source.beforePut { name in
            guard name.hasPrefix(ObjectNames.logPrefix) else { return }
            let count = entries.withLock { count in
                count += 1
                return count
            }
            if count == 3 { store.follow(.gone(after: 0, .unavailable)) }
        }
        #expect(throws: LifeboatError.self) { try site.send(through: store) }
        site.source.beforePut(nil)
        #expect(try site.spool.waiting().count == 1)
        site.change(1, in: 32..<64)
        let result = try site.backUp(try site.spooled())
        #expect(result.parent == local[1])
        #expect(result.volumes[0].bytesNew <= UInt64(SpoolSite.chunkSize))
        #expect(!result.volumes[0].isDegraded)
        local.append(try #require(result.point))
        #expect(try site.send().sent.count == 2)
        try site.expect(([base] + local).compactMap { site.contents[$0] })
        #expect(site.packsPutTwice.isEmpty)
    }

    @Test func `a fence that may cut off what was committed is waited for`() throws {
        let site = try SpoolSite(seed: 21)
        try site.backUpAndPrepare()
        try site.backUpToSpool(1)
        let copy = site.folder.file("copy")
        let path = site.spool.path
        site.source.beforePut { name in
            guard name.hasPrefix(ObjectNames.logPrefix) else { return }
            try? FileManager.default.removeItem(atPath: copy)
            try? FileManager.default.copyItem(atPath: path, toPath: copy)
        }
        try site.send()
        site.source.beforePut(nil)
        let sent = try #require(try site.catalog().points.last)
        try FileManager.default.removeItem(atPath: path)
        try FileManager.default.moveItem(atPath: copy, toPath: path)
        try site.announceFence(of: sent.record.incarnation)
        #expect(
            code { () throws(LifeboatError) in
                do { try site.send() } catch let error as LifeboatError { throw error } catch {
                    throw LifeboatError(.internalFault, "\(error)")
                }
            } == .refused)
        #expect(try site.spool.waiting().count == 1)
        _ = try Operations(on: site.keepers[0]).fence(
            .named([sent.record.incarnation.hex]))
        #expect(try site.send().sent.map(\.point) == [sent.id])
    }

    @Test func `who takes over and dies at once leaves all to the next`() throws {
        let site = try SpoolSite(seed: 22)
        try site.backUpAndPrepare()
        let local = try site.backUpToSpool(1)
        // First when the packs are there, then as soon as the dead session is ended.
        for prefix in [ObjectNames.indexPrefix, ObjectNames.logPrefix, ObjectNames.logPrefix] {
            let store = FaultStore(site.source)
            site.source.beforePut { name in
                if name.hasPrefix(prefix) { store.follow(.gone(after: 0, .unavailable)) }
            }
            #expect(throws: LifeboatError.self) { try site.send(through: store) }
            site.source.beforePut(nil)
        }
        #expect(try site.send().sent.map(\.local) == local)
        let packs = site.source.counts.filter { $0.key.hasPrefix(ObjectNames.packsPrefix) }
        #expect(packs.count == 4 && packs.values.allSatisfy { $0 == 1 })
    }

    @Test func `keepers may collect whatever the base does not need`() throws {
        let site = try SpoolSite(seed: 5)
        // Chunks that the base does not have any more, and that come back.
        let first = try site.backUp(site.host).point
        let bytes = site.contents[try #require(first)] ?? []
        site.change(8)
        let base = try site.backUpAndPrepare()
        let result = try site.backUp(try site.spooled(), bytes: bytes)
        let local = try #require(result.point)
        var policy = RetentionPolicy()
        policy.last = 1
        _ = try Operations(on: site.keepers[0]).forget(
            ForgetOptions(.policy(policy, RetentionGrouping())))
        try site.prune(0, steps: 4)
        #expect(try site.send().sent.count == 1)
        try site.prune(1, steps: 4)
        try site.expect([base, local].compactMap { site.contents[$0] })
    }

    @Test func `without its base a point is not sent, and says so`() throws {
        let site = try SpoolSite(seed: 6)
        let base = try site.backUpAndPrepare()
        let local = try site.backUpToSpool(2)
        // Another host makes the machine's newest point, so that the base can be forgotten.
        try site.backUp(site.other, bytes: SpoolSite.unrelated)
        _ = try Operations(on: site.keepers[0]).forget(ForgetOptions(.points([base.hex])))
        try site.prune(0, steps: 4)
        let outcome = try site.send()
        #expect(outcome.sent.isEmpty)
        #expect(outcome.blocked.map(\.local) == local)
        let error = try #require(outcome.blocked.first?.error)
        #expect(error.message.contains(local[0].short) && error.message.contains("base"))
        #expect(error.advice?.contains("spool drop") == true)
        try site.expect([SpoolSite.unrelated])
        #expect(try site.spool.waiting().allSatisfy { $0.fault != nil })
        // Nothing more is built on them; what comes next is whole.
        let next = try site.backUp(try site.spooled())
        #expect(!local.contains(next.parent ?? .zero))
        // Dropping the first drops what may rely on it.
        #expect(try site.drop(local[0].hex) == 3)
        #expect(try site.outbox().isEmpty)
        let whole = try site.backUpAndPrepare()
        try site.expect([SpoolSite.unrelated, site.contents[whole] ?? []])
    }

    @Test func `a base that was forgotten is no harm while all of it is there`() throws {
        let site = try SpoolSite(seed: 7)
        let base = try site.backUpAndPrepare()
        let local = try site.backUpToSpool(1)
        let bytes = try #require(site.contents[base])
        try site.backUp(site.other, bytes: bytes)
        _ = try Operations(on: site.keepers[0]).forget(ForgetOptions(.points([base.hex])))
        try site.prune(0, steps: 4)
        #expect(try site.send().sent.map(\.local) == local)
        try site.prune(0, steps: 4)
        let points = try site.catalog().points
        #expect(points.count == 2)
        let sent = try #require(site.contents[local[0]])
        try site.expect(
            points.map { $0.record.member == site.other.writer?.writer ? bytes : sent })
    }

    @Test func `another host writes the same machine meanwhile`() throws {
        let site = try SpoolSite(seed: 8)
        let base = try site.backUpAndPrepare()
        let local = try site.backUpToSpool(1)
        let other = try #require(try site.backUp(site.other, bytes: SpoolSite.unrelated).point)
        let outcome = try site.send()
        #expect(outcome.sent.count == 1)
        let expected = [base, local[0], other].compactMap { site.contents[$0] }
        try site.expect(expected)
        try site.prune(0, steps: 3)
        try site.expect(expected)
    }

    @Test func `a writer that was revoked sends nothing`() throws {
        let site = try SpoolSite(seed: 9)
        try site.backUpAndPrepare()
        try site.backUpToSpool(1)
        let admin = try site.opener.open("admin", nil, withRecovery: true)
        let member = try #require(site.host.writer?.writer)
        _ = try admin.suspend(member)
        _ = try admin.refreshed().revoke(member, heads: try admin.readLog().heads)
        // The spool cannot know; the repository does.
        try site.backUpToSpool(1)
        let puts = site.source.counts
        #expect(throws: LifeboatError.self) { try site.send() }
        #expect(site.source.counts == puts)
        #expect(try site.catalog().points.count == 1)
        #expect(try site.spool.waiting().count == 2)
    }
}
