import LifeboatCore
import LifeboatStore
import LifeboatSystem
import LifeboatTesting
import Testing

func code(_ body: () throws(LifeboatError) -> Void) -> LifeboatError.Code? {
    do throws(LifeboatError) {
        try body()
        return nil
    } catch {
        return error.code
    }
}

@Suite struct StoreTests {
    @Test func `a directory is a store`() throws {
        let folder = try TemporaryDirectory()
        let store = try DirectoryStore.create(path: folder.file("new/repository"))
        #expect(StoreConformance.failures(of: store) == [])
        let left = try Files.list(store.location + "/tmp")
        #expect(left == [])
    }

    @Test func `memory is a store`() {
        #expect(StoreConformance.failures(of: MemoryStore()) == [])
    }

    @Test func `a fault store without faults is a store`() {
        #expect(StoreConformance.failures(of: FaultStore(MemoryStore())) == [])
    }

    @Test func `of writers that race for a name one wins`() throws {
        let folder = try TemporaryDirectory()
        let store = try DirectoryStore.create(path: folder.path)
        for round in 0..<30 {
            let name = ObjectName("race/\(round % 3)/\(round)")
            let codes = Guarded<[LifeboatError.Code?]>([])
            let winner = Guarded<Int?>(nil)
            Threads.run(count: 4, name: "race") { index in
                let bytes = [UInt8](repeating: UInt8(index), count: 100_000)
                let result = code { () throws(LifeboatError) in
                    // Each writer with a store of its own, as in processes apart.
                    try DirectoryStore(path: store.location).put(name, bytes: bytes)
                }
                codes.withLock { $0.append(result) }
                if result == nil { winner.withLock { $0 = index } }
            }
            let found = codes.withLock { $0 }
            #expect(found.count { $0 == nil } == 1)
            #expect(found.count { $0 == .exists } == 3)
            let first = UInt8(winner.withLock { $0 } ?? 99)
            #expect(try store.get(name, limit: 100_000) == Array(repeating: first, count: 100_000))
        }
    }

    @Test func `a folder that went away is made again`() throws {
        let folder = try TemporaryDirectory()
        let store = try DirectoryStore.create(path: folder.path)
        try store.put("packs/ab/1", bytes: [1])
        try store.delete("packs/ab/1")
        try Files.remove(folder.file("packs/ab"))
        try store.put("packs/ab/2", bytes: [2])
        #expect(try store.get("packs/ab/2", limit: 1) == [2])
    }

    @Test func `a store that is not there is told`() throws {
        let folder = try TemporaryDirectory()
        let store = DirectoryStore(path: folder.file("none"))
        #expect(code { () throws(LifeboatError) in try store.put("a", bytes: []) } == .missing)
        #expect(!Files.exists(store.location))
        #expect(
            code { () throws(LifeboatError) in
                try store.list("") { _, _ throws(LifeboatError) in }
            } == .missing)
    }

    @Test func `a full disk leaves nothing behind`() throws {
        let folder = try TemporaryDirectory()
        let disk = try SmallDisk(at: folder.file("disk"), kibibytes: 1024)
        let store = try DirectoryStore.create(path: disk.path + "/repository")
        try store.put("packs/small", bytes: Array(repeating: 1, count: 300_000))
        let big = [UInt8](repeating: 2, count: 2_000_000)
        #expect(
            code { () throws(LifeboatError) in try store.put("packs/big", bytes: big) } == .full)
        #expect(try store.size("packs/big") == nil)
        #expect(try Files.list(store.location + "/tmp") == [])
        #expect(try store.get("packs/small", limit: 300_000).count == 300_000)
        try store.put("packs/other", bytes: Array(repeating: 3, count: 300_000))
    }

    @Test func `only old temporaries of dead writers are cleaned`() throws {
        let folder = try TemporaryDirectory()
        let store = try DirectoryStore.create(path: folder.path)
        try Files.makeDirectories(folder.file("tmp"))
        for name in ["young", "alive", "dead"] {
            try Files.writeAtomically(folder.file("tmp/\(name)"), [1])
        }
        SmallDisk.setAge(of: folder.file("tmp/alive"), seconds: 100)
        SmallDisk.setAge(of: folder.file("tmp/dead"), seconds: 100)
        let writer = try File(path: folder.file("tmp/alive"), access: .read)
        let isLocked = try writer.lock(exclusive: true, wait: false)
        #expect(isLocked)
        #expect(try store.cleanTemporaries() == 1)
        #expect(try Files.list(folder.file("tmp")) == ["alive", "young"])
    }
}

@Suite struct ObjectNameTests {
    @Test(arguments: ["", "/", "a/", "/a", "a//b", ".", "a/..", "A", "a b", "ä", "tmp", "tmp/x"])
    func `refuses`(text: String) { #expect(ObjectName(validating: text) == nil) }

    @Test(arguments: ["a", "packs/ab/0_1-2.x", "a/tmp", ".hidden", "tmpx/y"])
    func `takes`(text: String) { #expect(ObjectName(validating: text)?.path == text) }

    @Test func `refuses long names`() {
        #expect(ObjectName(validating: String(repeating: "a", count: 200)) != nil)
        #expect(ObjectName(validating: String(repeating: "a", count: 201)) == nil)
        #expect(ObjectName(validating: String(repeating: "a/", count: 500) + "a") == nil)
    }
}

@Suite struct FaultStoreTests {
    @Test func `fails the call it was told to`() throws {
        let store = FaultStore(MemoryStore(), plan: .scripted([.put: [2: .fail(.full)]]))
        try store.put("a", bytes: [1])
        #expect(code { () throws(LifeboatError) in try store.put("b", bytes: [1]) } == .full)
        try store.put("b", bytes: [1])
        #expect(store.count(.put) == 3)
        #expect(store.faultCount == 1)
    }

    @Test func `loses a reply and tears an object`() throws {
        let memory = MemoryStore()
        let store = FaultStore(
            memory,
            plan: .scripted([.put: [1: .lostReply(.unavailable), 2: .torn(bytes: 1)]]))
        #expect(
            code { () throws(LifeboatError) in try store.put("a", bytes: [1, 2]) } == .unavailable)
        #expect(
            code { () throws(LifeboatError) in try store.put("b", bytes: [1, 2]) } == .unavailable)
        #expect(try memory.get("a", limit: 2) == [1, 2])
        #expect(try memory.get("b", limit: 2) == [1])
    }

    @Test func `the same seed fails the same calls`() {
        let runs = (0..<2).map { _ in
            let store = FaultStore(
                MemoryStore(), plan: .seeded(7, probability: 0.5, [.fail(.unavailable)]))
            return (0..<40).map { number in
                code { () throws(LifeboatError) in
                    try store.put(ObjectName("n\(number)"), bytes: [])
                }
            }
        }
        #expect(runs[0] == runs[1])
        #expect(Set(runs[0]).count == 2)
    }

    @Test func `a store that has gone stays gone`() throws {
        let store = FaultStore(MemoryStore(), plan: .gone(after: 1, .unavailable))
        try store.put("a", bytes: [1])
        for _ in 0..<3 {
            let result = code { () throws(LifeboatError) in _ = try store.size("a") }
            #expect(result == .unavailable)
        }
    }
}
