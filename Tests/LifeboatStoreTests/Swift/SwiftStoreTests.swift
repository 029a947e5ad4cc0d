import LifeboatCore
import LifeboatSystem
import LifeboatTesting
import Testing

@testable import LifeboatStore

@Suite struct SwiftStoreTests {
    @Test(arguments: ["swift:c", "swift:c/p", "swift:c/A b/ü"], [false, true])
    func `a container is a store`(location: String, ignoresConditions: Bool) throws {
        let server = FakeSwift()
        server.set { $0.ignoresConditions = ignoresConditions }
        #expect(StoreConformance.failures(of: try server.store(location)) == [])
    }

    @Test func `prefixes keep stores apart`() throws {
        let server = FakeSwift()
        try server.store("swift:c/p").put("x", bytes: [1])
        try server.store("swift:c/p2").put("x", bytes: [2, 2])
        #expect(server.names == ["c/p/x", "c/p2/x"])
        var told: [String] = []
        try server.store("swift:c/p").list("") { name, size in told.append("\(name) \(size)") }
        #expect(told == ["x 1"])
    }

    @Test func `what others put there is not told`() throws {
        let server = FakeSwift()
        let store = try server.store()
        try store.put("a/b", bytes: [1])
        server.set { state in
            for name in ["c/p/Upper", "c/p/..", "c/other", "c/p/tmp/x"] {
                state.objects[name] = state.objects["c/p/a/b"]
            }
        }
        var told: [String] = []
        try store.list("") { name, _ in told.append(name.path) }
        #expect(told == ["a/b"])
    }

    @Test func `odd parts`() throws {
        let store = try FakeSwift().store()
        try store.put("x", bytes: [1, 2, 3])
        var target = [UInt8](repeating: 9, count: 2)
        for (offset, expected) in [(UInt64.max, 0), (UInt64.max - 1, 0), (3, 0), (2, 1), (0, 2)] {
            let count = try target.withMutableBytes { bytes throws(LifeboatError) in
                try store.read("x", at: offset, into: bytes)
            }
            #expect(count == expected)
        }
        #expect(target == [1, 2])
        let nothing = UnsafeMutableRawBufferPointer(start: nil, count: 0)
        #expect(try store.read("x", at: 0, into: nothing) == 0)
        let result = code { () throws(LifeboatError) in
            _ = try store.read("y", at: 0, into: nothing)
        }
        #expect(result == .missing)
    }

    @Test func `a container is made once`() throws {
        let server = FakeSwift()
        server.set { $0.containers = [] }
        let store = try server.store()
        let errors = [
            try #require(throws: LifeboatError.self) { try store.put("x", bytes: [1]) },
            try #require(throws: LifeboatError.self) { try store.list("") { _, _ in } },
        ]
        for error in errors {
            #expect(error.code == .noRepository)
            #expect(error.message.contains("no container"))
            #expect(error.advice?.contains("lifeboat init makes the container") == true)
        }
        for _ in 0..<2 { try store.makeContainer() }
        try store.put("x", bytes: [1])
    }

    @Test func `a missing container is not taken for a missing object`() throws {
        let server = FakeSwift()
        let store = try server.store()
        let get = { () throws(LifeboatError) in _ = try store.get("x", limit: 9) }
        #expect(code(get) == .missing)
        let heads = server.count("HEAD")
        #expect(code(get) == .missing)
        #expect(server.count("HEAD") == heads)
        server.set { $0.containers = [] }
        let other = try server.store()
        let error = try #require(throws: LifeboatError.self) { try other.get("x", limit: 9) }
        #expect(error.code == .noRepository)
        #expect(error.message.contains("container"))
    }

    // MARK: capabilities

    @Test(arguments: [false, true]) func `capabilities are tried`(compares: Bool) throws {
        let folder = try TemporaryDirectory()
        let server = FakeSwift()
        server.set { $0.ignoresConditions = !compares }
        let options = StoreOptions(cacheDirectory: folder.path)
        let store = try server.store("swift:c/p", options)
        #expect(store.probeTime == nil)
        #expect(!store.capabilities.conditionalPut)
        try store.probe()
        #expect(server.names == [])
        let expected = StoreCapabilities(
            conditionalPut: false, maximumObjectBytes: 3_100_000,
            payloadCheck: compares ? .md5 : .none)
        #expect(store.capabilities == expected)
        #expect(store.probeTime != nil)
        // Another run remembers.
        let again = try server.store("swift:c/p", options)
        #expect(again.capabilities == expected)
        #expect(again.probeTime == store.probeTime)
    }

    @Test func `who may not delete, and versions`() throws {
        let server = FakeSwift()
        server.set {
            $0.containerHeaders = [(name: "X-Versions-Enabled", value: "true")]
            $0.faults = ["DELETE": [1: .status(403)]]
        }
        let store = try server.store()
        try store.probe()
        #expect(!store.capabilities.deletes)
        #expect(store.capabilities.versioning)
    }

    @Test func `what old probes left is removed`() throws {
        let server = FakeSwift()
        let store = try server.store()
        let now = Clock.milliseconds()
        for name in ["probe/1000-aa/a", "probe/\(now)-bb/a", "probe/x", "packs/1"] {
            try store.put(ObjectName(name), bytes: [1])
        }
        #expect(try store.cleanTemporaries() == 1)
        #expect(server.names == ["c/p/packs/1", "c/p/probe/\(now)-bb/a", "c/p/probe/x"])
    }

    // MARK: tokens

    @Test(arguments: [nil, 86_400]) func `a token that was refused is renewed`(
        lifetime: Int?
    ) throws {
        let server = FakeSwift()
        server.set { $0.lifetime = lifetime }
        let store = try server.store()
        try store.put("x", bytes: [1])
        server.revoke()
        #expect(try store.get("x", limit: 9) == [1])
        server.revoke()
        try store.put("y", bytes: [2])
        #expect(server.state.withLock { $0.tokenCount } == 3)
    }

    @Test func `a token that has ended is forbidden by some`() throws {
        let server = FakeSwift()
        let time = Guarded(0.0)
        let store = try server.store(now: { time.withLock { $0 } })
        server.set { $0.forbidsOldTokens = true }
        try store.put("x", bytes: [1])
        server.revoke()
        // With a fresh token it is forbidden indeed.
        #expect(code { () throws(LifeboatError) in _ = try store.size("x") } == .denied)
        time.withLock { $0 = 61 }
        #expect(try store.size("x") == 1)
        #expect(server.state.withLock { $0.tokenCount } == 2)
    }

    @Test func `who refuses every token is asked twice`() throws {
        let server = FakeSwift()
        let store = try server.store()
        server.set { $0.faults = ["GET": [1: .status(401), 2: .status(401), 3: .status(401)]] }
        let result = code { () throws(LifeboatError) in _ = try store.get("x", limit: 1) }
        #expect(result == .denied)
        #expect(server.count("GET") == 2)
        #expect(server.state.withLock { $0.tokenCount } == 2)
    }

    @Test func `threads whose tokens are refused at once ask for one new token each time`() throws {
        let server = FakeSwift()
        let store = try server.store()
        for round in 1...20 {
            server.revoke()
            let failures = Guarded<[String]>([])
            Threads.run(count: 4, name: "swift") { index in
                do throws(LifeboatError) {
                    try store.put(ObjectName("\(round)/\(index)"), bytes: [1])
                } catch { failures.withLock { $0.append(error.description) } }
            }
            #expect(failures.withLock { $0 } == [])
            #expect(server.state.withLock { $0.tokenCount } == round)
        }
    }

    @Test func `a token is renewed before its end`() throws {
        let server = FakeSwift()
        server.set { $0.lifetime = 100 }
        let time = Guarded(0.0)
        let store = try server.store(now: { time.withLock { $0 } })
        try store.put("x", bytes: [1])
        time.withLock { $0 = 80 }
        server.set { $0.faults = ["HEAD": [3: .status(401)]] }
        _ = try store.size("x")
        // One before the request, and one for its refusal.
        #expect(server.state.withLock { $0.tokenCount } == 3)
    }

    // MARK: puts

    @Test(arguments: [false, true]) func `a put whose answer is lost is known as one's own`(
        ignoresConditions: Bool
    ) throws {
        for faults in [
            [1: FakeSwift.Fault.lostReply], [1: .lostReply, 2: .lostReply],
            [1: .lostReply, 2: .status(503)], [1: .lostReply, 2: .noConnection],
            [1: .status(500), 2: .lostReply],
            [1: .lostReply, 2: .status(503), 3: .status(503), 4: .status(503)],
        ] {
            let server = FakeSwift()
            server.set {
                $0.ignoresConditions = ignoresConditions
                $0.faults = ["PUT": faults]
            }
            try server.store().put("x", bytes: [1, 2])
            #expect(try server.store().get("x", limit: 9) == [1, 2])
        }
    }

    @Test(arguments: [false, true]) func `another's object is not taken for one's own`(
        ignoresConditions: Bool
    ) throws {
        let server = FakeSwift()
        let store = try server.store()
        server.set {
            $0.ignoresConditions = ignoresConditions
            $0.faults = ["PUT": [1: .another([9])]]
        }
        // Who comes a little late on a server without conditions replaces the other's object.
        let result = code { () throws(LifeboatError) in try store.put("x", bytes: [1]) }
        #expect(result == (ignoresConditions ? nil : .exists))
        #expect(try store.get("x", limit: 9) == (ignoresConditions ? [1] : [9]))
        // And who was replaced is told so.
        server.set { $0.faults = ["HEAD": [4: .another([7])]] }
        #expect(code { () throws(LifeboatError) in try store.put("y", bytes: [1]) } == .exists)
    }

    @Test func `what is damaged on the way is sent again`() throws {
        let server = FakeSwift()
        server.set { $0.faults = ["PUT": [1: .corrupted, 2: .corrupted]] }
        let store = try server.store()
        try store.put("x", bytes: [1, 2, 3])
        #expect(try store.get("x", limit: 9) == [1, 2, 3])
        #expect(server.count("PUT") == 3)
    }

    @Test func `a server that compares nothing keeps nothing damaged`() throws {
        let server = FakeSwift()
        server.set {
            $0.ignoresConditions = true
            $0.faults = ["PUT": [1: .corrupted]]
        }
        let store = try server.store()
        #expect(code { () throws(LifeboatError) in try store.put("x", bytes: [1]) } == .unavailable)
        #expect(server.names == [])
    }

    @Test(arguments: [
        (401, "", LifeboatError.Code.denied), (403, "", .denied), (404, "", .noRepository),
        (403, "<Code>QuotaExceeded</Code>", .full), (413, "", .full), (507, "", .full),
        (422, "", .unavailable), (429, "", .unavailable), (500, "", .unavailable),
        (503, "", .unavailable), (400, "", .unavailable),
    ]) func `refusals`(status: Int, body: String, expected: LifeboatError.Code) throws {
        let server = FakeSwift()
        let store = try server.store()
        var faults: [Int: FakeSwift.Fault] = [:]
        for number in 1...9 { faults[number] = .status(status, body: body) }
        server.set { $0.faults = ["PUT": faults, "GET": faults] }
        #expect(code { () throws(LifeboatError) in try store.put("x", bytes: [1]) } == expected)
        #expect(server.names == [])
        let read = code { () throws(LifeboatError) in _ = try store.get("x", limit: 9) }
        // The container is there: only the object can be missing.
        #expect(read == (status == 404 ? .missing : expected))
    }

    // MARK: deletions

    @Test(
        arguments: [
            (true, true, nil, 3), (true, false, nil, 0), (false, true, nil, 0),
            (true, true, "d", 3),
        ] as [(Bool, Bool, String?, Int)])
    func `many are deleted`(informs: Bool, hasBulk: Bool, refusal: String?, posts: Int) throws {
        let server = FakeSwift()
        server.set {
            $0.informs = informs
            $0.hasBulk = hasBulk
            $0.bulkRefusal = refusal
        }
        let store = try server.store("swift:c/A b")
        let names = ["a", "b", "c", "d", "e"].map { ObjectName($0) }
        for name in names where name != "b" { try store.put(name, bytes: [1]) }
        try store.put("stays", bytes: [1])
        try store.delete(names)
        #expect(server.names == ["c/A b/stays"])
        #expect(server.count("POST") == posts)
        // Those of a part that failed are deleted one by one.
        #expect(server.count("DELETE") == (posts == 0 ? 5 : refusal == nil ? 0 : 2))
    }

    @Test func `what cannot be deleted is told`() throws {
        let server = FakeSwift()
        let store = try server.store()
        server.set {
            $0.bulkRefusal = "x"
            $0.faults = ["DELETE": [1: .status(403)]]
        }
        try store.put("x", bytes: [1])
        let error = #expect(throws: LifeboatError.self) { try store.delete(["a", "x"]) }
        #expect(error == nil || error?.code == .denied)
    }
}
