import LifeboatCore
import LifeboatSystem
import LifeboatTesting
import Testing

@testable import LifeboatStore

@Suite struct S3StoreTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var habits: S3Service.Habits

        init(_ name: String, _ change: (inout S3Service.Habits) -> Void = { _ in }) {
            testDescription = name
            habits = S3Service.Habits()
            change(&habits)
        }
    }

    private static let cases = [
        Case("a good service"), Case("no conditions") { $0.heedsConditions = false },
        Case("conditions that lose races") { $0.losesRaces = true },
        Case("compares MD5") { $0.payloadCheck = .md5 },
        Case("compares nothing") { $0.payloadCheck = .none },
        Case("no parts") { $0.readsParts = false },
        Case("parts as wholes") { $0.marksParts = false },
        Case("lists out of order") { $0.listsInOrder = false },
        Case("puts arrive twice") { $0.doublesPuts = true },
        Case("deletes one by one") { $0.deletesMany = false },
    ]

    @Test(arguments: cases) func `services of all habits are stores`(example: Case) throws {
        let service = S3Service(example.habits)
        let store = try service.store()
        #expect(StoreConformance.failures(of: store) == [])
        let found = store.capabilities
        let habits = example.habits
        #expect(found.conditionalPut == (habits.heedsConditions && !habits.losesRaces))
        #expect(found.payloadCheck == habits.payloadCheck)
        #expect(found.rangeReads == habits.readsParts)
        #expect(found.orderedListing == habits.listsInOrder)
        let left = service.state.withLock { $0.objects.keys.filter { $0.contains("probe/") } }
        #expect(left == [])
    }

    private func put(_ habits: S3Service.Habits, _ bytes: [UInt8] = [1, 2, 3]) throws -> (
        code: LifeboatError.Code?, stored: [UInt8]?, token: String?
    ) {
        let service = S3Service(habits)
        let store = try service.store()
        let found = code { () throws(LifeboatError) in try store.put("a", bytes: bytes) }
        let object = service.state.withLock { $0.objects["some/prefix/a"] }
        return (found, object?.bytes, object?.token)
    }

    @Test(arguments: [true, false]) func `a put whose reply is lost finds itself`(
        heedsConditions: Bool
    ) throws {
        for fate in [S3Service.Fate.replyLost, .replyLostForever] {
            var habits = S3Service.Habits()
            habits.heedsConditions = heedsConditions
            habits.puts = [1: fate]
            let (code, stored, _) = try put(habits)
            #expect(code == nil && stored == [1, 2, 3])
        }
    }

    @Test func `a put that was overtaken does not take the other's object for its own`() throws {
        var habits = S3Service.Habits()
        habits.puts = [1: .overtaken]
        let (code, stored, token) = try put(habits)
        #expect(code == .exists && stored == [0] && token == "other")
        // Even with the same bytes it is the other's.
        #expect(try put(habits, [0]).code == .exists)
    }

    @Test(arguments: StoreCapabilities.PayloadCheck.allCases)
    func `bytes that change on the way are found`(
        check: StoreCapabilities.PayloadCheck
    ) throws {
        var habits = S3Service.Habits()
        habits.payloadCheck = check
        habits.puts = [1: .damaged]
        let (code, stored, _) = try put(habits)
        if check == .none {
            #expect(code == .damaged)
        } else {
            #expect(code == nil && stored == [1, 2, 3])
        }
    }

    @Test func `what a store can do is asked once in a week`() throws {
        let folder = try TemporaryDirectory()
        let service = S3Service()
        func probes() -> Int {
            service.state.withLock { $0.requests.count { $0.hasSuffix("/once") } }
        }
        let first = try service.store(cache: folder.path)
        #expect(first.probeTime == nil && !first.capabilities.conditionalPut)
        try first.put("a", bytes: [1])
        let once = probes()
        #expect(once > 0 && first.capabilities.conditionalPut && first.probeTime != nil)
        let second = try service.store(cache: folder.path)
        #expect(second.capabilities == first.capabilities && second.probeTime == first.probeTime)
        try second.put("b", bytes: [1])
        #expect(probes() == once)
        try second.probe()
        #expect(probes() == 2 * once)
        let other = try service.store(cache: folder.path, prefix: "/other")
        #expect(other.probeTime == nil)
        let cache = CapabilityCache(directory: folder.path, location: "x", user: "u")
        cache.save(StoreCapabilities(), at: Clock.milliseconds() - CapabilityCache.lifetime)
        #expect(cache.load() == nil)
        cache.save(
            StoreCapabilities(), at: Clock.milliseconds() - CapabilityCache.lifetime + 60_000)
        #expect(cache.load() != nil)
        cache.save(StoreCapabilities(), at: Clock.milliseconds() + 3_600_000)
        #expect(cache.load() == nil)
    }

    @Test func `a bucket is made where there is none`() throws {
        var habits = S3Service.Habits()
        habits.hasBucket = false
        let store = try S3Service(habits).store()
        #expect(
            code { () throws(LifeboatError) in try store.list("") { _, _ in } } == .noRepository)
        #expect(code { () throws(LifeboatError) in try store.put("a", bytes: []) } == .noRepository)
        try store.makeBucket()
        try store.makeBucket()
        try store.put("a", bytes: [])
        #expect(try store.size("a") == 0)
    }

    @Test func `what others put into the bucket is not told`() throws {
        let service = S3Service()
        let store = try service.store()
        try store.put("a/b", bytes: [1])
        service.state.withLock { state in
            for key in ["other", "some/prefixed/x", "some/prefix/A B", "some/prefix/tmp/x"] {
                state.objects[key] = .init(bytes: [], token: nil, order: 0)
            }
        }
        var told: [ObjectName] = []
        try store.list("") { name, _ throws(LifeboatError) in told.append(name) }
        #expect(told == ["a/b"])
    }

    @Test func `what probes that died have left is removed after a day`() throws {
        let service = S3Service()
        let store = try service.store()
        let now = Clock.milliseconds()
        let old = "some/prefix/probe/\(now - 90_000_000)-abcd/a"
        let young = "some/prefix/probe/\(now - 1000)-abcd/a"
        service.state.withLock { state in
            for key in [old, young] {
                state.objects[key] = .init(bytes: [], token: nil, order: 0)
            }
        }
        #expect(try store.cleanTemporaries() == 1)
        #expect(service.state.withLock { $0.objects.keys.sorted() } == [young])
    }
}
