import LifeboatCore
import LifeboatSystem
import LifeboatTesting
import Testing

@testable import LifeboatStore

@Suite struct S3LockTests {
    private static let hour: UInt64 = 3_600_000

    private func code(_ body: () throws(LifeboatError) -> Void) -> LifeboatError.Code? {
        do throws(LifeboatError) {
            try body()
            return nil
        } catch {
            return error.code
        }
    }

    private func locking(_ service: LockingService) throws -> S3Store {
        let store = try service.store()
        store.lockPuts(LockRule(duration: Self.hour, exemptPrefixes: ["free/"]))
        return store
    }

    @Test(arguments: [false, true]) func `a bucket with object lock is a store`(
        doublesPuts: Bool
    ) throws {
        var habits = LockingService.Habits()
        habits.doublesPuts = doublesPuts
        let service = LockingService(habits)
        #expect(StoreConformance.failures(of: try service.store(page: 100)) == [])
        #expect(service.state.withLock { $0.versions.keys.filter { $0.contains("probe/") } } == [])
    }

    @Test func `puts are locked but for those that are exempt`() throws {
        let service = LockingService()
        let store = try locking(service)
        let begin = Clock.milliseconds()
        try store.put("a", bytes: [1])
        try store.put("b", bytes: [2])
        try store.put("free/c", bytes: [3])
        for name: ObjectName in ["a", "b"] {
            let end = try #require(try store.lockEnd(name))
            #expect(end >= begin + Self.hour && end <= Clock.milliseconds() + Self.hour + 1000)
        }
        #expect(try store.lockEnd("free/c") == nil)
        #expect(code { () throws(LifeboatError) in _ = try store.lockEnd("d") } == .missing)
    }

    @Test func `without object lock nothing is put`() throws {
        var habits = LockingService.Habits()
        habits.hasLock = false
        let service = LockingService(habits)
        let store = try locking(service)
        #expect(code { () throws(LifeboatError) in try store.put("a", bytes: [1]) } == .refused)
        #expect(service.versions("a").isEmpty)
    }

    @Test func `a store that does not lock what it takes is found out`() throws {
        var habits = LockingService.Habits()
        habits.ignoresLocks = true
        let store = try locking(LockingService(habits))
        #expect(code { () throws(LifeboatError) in try store.put("a", bytes: [1]) } == .refused)
    }

    @Test(arguments: [(-1000, true), (-800, false), (0, false), (800, false), (1000, true)])
    func `clocks that differ are refused`(error: Int, isRefused: Bool) throws {
        var habits = LockingService.Habits()
        habits.clockError = error
        let service = LockingService(habits)
        let store = try locking(service)
        let found = code { () throws(LifeboatError) in try store.put("a", bytes: [1]) }
        #expect(found == (isRefused ? .refused : nil))
        #expect(service.versions("a").isEmpty == isRefused)
    }

    @Test func `buckets are made with object lock or refused`() throws {
        var habits = LockingService.Habits()
        habits.hasBucket = false
        let service = LockingService(habits)
        try service.store().makeBucket(locks: true)
        #expect(try service.store().locksObjects())
        habits.ignoresBucketLock = true
        var plain = LockingService.Habits()
        plain.hasLock = false
        for habits in [habits, plain] {
            let other = try LockingService(habits).store()
            #expect(
                code { () throws(LifeboatError) in try other.makeBucket(locks: true) } == .refused)
        }
        try LockingService(plain).store().makeBucket()
    }

    @Test func `what was put first is read whatever came later`() throws {
        let service = LockingService()
        let first = try locking(service)
        for name: ObjectName in ["a", "b", "c", "d"] { try first.put(name, bytes: [1, 2, 3]) }
        service.overwrite("b", [9, 9])
        service.mark("c")
        for _ in 0..<30 { service.overwrite("d", [8]) }
        service.mark("d")
        service.overwrite("e", [7])
        service.mark("e")
        let notices = Guarded<[String]>([])
        let store = try service.store { text in notices.withLock { $0.append(text) } }
        for name: ObjectName in ["a", "b", "c", "d"] {
            #expect(try store.get(name, limit: 10) == [1, 2, 3])
            #expect(try store.size(name) == 3)
            var bytes: [UInt8] = [0, 0]
            let count = try bytes.withMutableBytes { raw throws(LifeboatError) in
                try store.read(name, at: 1, into: raw)
            }
            #expect(count == 2 && bytes == [2, 3])
            #expect(
                code { () throws(LifeboatError) in try store.put(name, bytes: [4]) } == .exists)
        }
        #expect(try store.get("e", limit: 10) == [7])
        var told: [ObjectName] = []
        try store.list("") { name, _ throws(LifeboatError) in told.append(name) }
        #expect(told == ["a", "b", "c", "d", "e"])
        #expect(notices.withLock { $0.count } == 1)
        var meddled: [MeddledObject] = []
        try store.listMeddled("") { object throws(LifeboatError) in meddled.append(object) }
        #expect(
            meddled == [
                .init(name: "b", isDeleted: false, otherVersions: 1),
                .init(name: "c", isDeleted: true, otherVersions: 0),
                .init(name: "d", isDeleted: true, otherVersions: 30),
                .init(name: "e", isDeleted: true, otherVersions: 0),
            ])
    }

    @Test func `of writers of one name the first wins`() throws {
        let service = LockingService()
        let stores = [try locking(service), try locking(service)]
        for store in stores { try store.probe() }
        let wins = Guarded<[Int]>([])
        for round in 0..<10 {
            Threads.run(count: 2, name: "writer") { index in
                let name = ObjectName("race-\(round)")
                if (try? stores[index].put(name, bytes: [UInt8(index)])) != nil {
                    wins.withLock { $0.append(index) }
                }
            }
            let winners = wins.withLock { wins in
                defer { wins = [] }
                return wins
            }
            #expect(winners.count == 1)
            let found = try service.store().get(ObjectName("race-\(round)"), limit: 1)
            #expect(found == winners.map { UInt8($0) })
        }
    }

    @Test func `what is hidden comes back, unless what hides it is locked`() throws {
        let service = LockingService()
        let store = try locking(service)
        for name: ObjectName in ["a", "b"] { try store.put(name, bytes: [1]) }
        service.overwrite("a", [2])
        service.mark("a")
        service.overwrite("b", [2], lockedUntil: Double(Clock.milliseconds()) / 1000 + 3600)
        service.mark("b")
        #expect(try store.undoMeddling("a"))
        #expect(try !store.undoMeddling("b"))
        #expect(service.versions("a").map(\.bytes) == [[1]])
        #expect(service.versions("b").map(\.bytes) == [[1], [2]])
        #expect(try store.get("b", limit: 1) == [1])
    }

    @Test func `only what is not locked is deleted, and all of it`() throws {
        let service = LockingService()
        let store = try locking(service)
        try store.put("a", bytes: [1])
        service.overwrite("a", [2])
        service.mark("a")
        let end = try store.lockEnd("a")
        #expect(try store.deleteUnlessLocked("a") == end)
        #expect(service.versions("a").count == 3)
        #expect(code { () throws(LifeboatError) in try store.delete("a") } == .denied)
        service.state.withLock { $0.versions["p/a"]?[0].lockedUntil = 1000 }
        #expect(try store.deleteUnlessLocked("a") == nil)
        #expect(service.versions("a").isEmpty)
        #expect(try store.size("a") == nil)
        try store.put("a", bytes: [3])
        #expect(try store.get("a", limit: 1) == [3])
    }

    @Test func `of many names those are deleted that are not locked`() throws {
        let service = LockingService()
        let store = try locking(service)
        try store.put("free/a", bytes: [1])
        try store.put("b", bytes: [1])
        try store.put("free/c", bytes: [1])
        #expect(
            code { () throws(LifeboatError) in try store.delete(["free/a", "b", "free/c"]) }
                == .denied)
        #expect(service.state.withLock { $0.versions.keys.sorted() } == ["p/b"])
    }

    @Test func `locks become longer and never shorter`() throws {
        let service = LockingService()
        let store = try locking(service)
        try store.put("a", bytes: [1])
        service.overwrite("a", [2])
        let before = try #require(try store.lockEnd("a"))
        #expect(try !store.extendLock("a", until: before - 60_000))
        #expect(try store.lockEnd("a") == before)
        #expect(try store.extendLock("a", until: before + 60_000))
        #expect(try store.lockEnd("a") == before + 60_000)
        #expect(service.versions("a").map { $0.lockedUntil != nil } == [true, false])
        #expect(
            code { () throws(LifeboatError) in _ = try store.extendLock("b", until: before) }
                == .missing)
    }

    @Test(arguments: [
        "", "<ListBucketResult/>",
        "<ListVersionsResult><Version><Key>a</Key></Version></ListVersionsResult>",
        "<ListVersionsResult><Version><Key>a</Key><VersionId>1</VersionId></Version>"
            + "</ListVersionsResult>",
        "<ListVersionsResult><IsTruncated>true</IsTruncated></ListVersionsResult>",
    ]) func `what is no listing of versions is none`(text: String) {
        #expect(VersionPage(Array(text.utf8)) == nil)
    }
}
