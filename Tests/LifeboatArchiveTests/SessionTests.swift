import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatStore
import LifeboatSystem
import LifeboatTesting
import Testing

@testable import LifeboatArchive

/// A small volume in a session: what it stores, and whether it can be read again.
private struct Volume {
    static let chunkCount = 80
    var chunks: [[UInt8]]

    init(_ generator: inout SeededGenerator) {
        chunks = (0..<Self.chunkCount).map { _ in generator.bytes(300) }
    }

    /// Stores and commits the volume through `store`.
    func backUp(
        _ test: TestRepository, _ host: String = "host", through store: any ObjectStore,
        sessionStarted: (WriteSession) -> Void = { _ in }
    ) throws(LifeboatError) -> Point {
        let repository = try test.open(host, store: store)
        let session = try WriteSession.fresh(repository)
        defer { session.end() }
        sessionStarted(session)
        let root = try write(to: session)
        return try session.commit(body(machine: host, size: 1, root: root))
    }

    func write(to session: WriteSession) throws(LifeboatError) -> BlockMapRoot {
        let builder = try BlockMapBuilder(
            chunkCount: UInt64(Self.chunkCount), parent: .zero, nodes: nil, sink: session,
            forgivesDamage: false)
        for (number, id) in try session.store(chunks: chunks).enumerated() {
            try builder.set(UInt64(number), id)
        }
        return try builder.finish(chunkCount: UInt64(Self.chunkCount))
    }

    /// The chunks of a point, read with what the store has.
    static func read(_ point: Point, _ repository: Repository) throws(LifeboatError) -> [[UInt8]] {
        let log = try repository.readLog()
        let index = try Index.open(repository, log: log)
        let packs = try PackCache(repository)
        let nodes = try NodeReader(repository, index: index, packs: packs)
        let volume = point.body.volumes[0]
        var ids: [Digest] = []
        try BlockMapWalk(nodes).leaves(
            of: .init(id: volume.root, levels: volume.levels), in: 0..<UInt64(chunkCount)
        ) { _, leaf in ids += leaf }
        let locator = Locator(index: index, packs: packs)
        let decoder = FrameDecoder(store: repository.store, repository: repository.id)
        let room = Buffer(capacity: PackLayout.frameByteLimit)
        var result: [[UInt8]] = []
        for id in ids.prefix(chunkCount) {
            let place = try locator.find(id)
            let directory = place.pack.directory
            let count = Int(directory.frames[place.frame].plainLength)
            try decoder.decode(place.frame, of: place.pack, plainCount: count, into: room.storage)
            let first = directory.firstSlots[place.frame]
            let offset = directory.slots[first..<first + place.slot].reduce(0) {
                $0 + Int($1.length)
            }
            let length = Int(directory.slots[first + place.slot].length)
            result.append([UInt8](room.storage[offset..<offset + length]))
        }
        return result
    }
}

@Suite struct SessionTests {
    /// Expects exactly `volumes` as the points of the repository, whole.
    private func expect(
        _ volumes: [Volume], in test: TestRepository, _ note: Comment,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        // A host that never saw the repository, with nothing cached.
        let repository = try test.open("reader-\(Identifier.random().hex)")
        let log = try repository.readLog()
        let catalog = try PointCatalog(repository, log: log)
        #expect(log.problems.isEmpty, note, sourceLocation: sourceLocation)
        #expect(catalog.problems.isEmpty, note, sourceLocation: sourceLocation)
        let ordered = catalog.points.sorted { $0.entry.sequence < $1.entry.sequence }
        let contents = try ordered.map { try Volume.read($0, repository) }
        #expect(contents == volumes.map(\.chunks), note, sourceLocation: sourceLocation)
    }

    private enum Kind: CaseIterable { case unavailable, full, lostReply }

    private func fault(_ kind: Kind) -> FaultStore.Fault {
        switch kind {
        case .unavailable: .fail(.unavailable)
        case .full: .fail(.full)
        case .lostReply: .lostReply(.unavailable)
        }
    }

    @Test func `after any failed call there is the old state or the new one`() throws {
        var generator = SeededGenerator(seed: 1)
        for call in FaultStore.Call.allCases {
            for kind in Kind.allCases where call == .put || kind == .unavailable {
                var number = 1
                while true {
                    let note: Comment = "\(call) \(number): \(kind)"
                    let test = try TestRepository()
                    let old = Volume(&generator)
                    let new = Volume(&generator)
                    _ = try old.backUp(test, through: test.store)
                    let faulty = FaultStore(
                        test.store, plan: .scripted([call: [number: fault(kind)]]))
                    let result = code { () throws(LifeboatError) in
                        _ = try new.backUp(test, through: faulty)
                    }
                    if faulty.faultCount == 0 {
                        // That many calls there are not: every one has failed once.
                        #expect(result == nil, note)
                        break
                    }
                    let log = try test.open("watcher").readLog()
                    let isThere = log.entries.count == 2
                    if result == nil { #expect(isThere, note) }
                    if isThere, result != nil { #expect(kind == .lostReply, note) }
                    try expect(isThere ? [old, new] : [old], in: test, note)
                    let next = Volume(&generator)
                    _ = try next.backUp(test, through: test.store)
                    try expect((isThere ? [old, new] : [old]) + [next], in: test, note)
                    number += 1
                }
                // Two packs, an index run, a body and an entry.
                if call == .put { #expect(number == 6) }
            }
        }
    }

    @Test(arguments: TestSeeds.all) func `a store that fails at random harms no point`(
        seed: UInt64
    ) throws {
        var generator = SeededGenerator(seed: seed)
        let test = try TestRepository()
        let faulty = FaultStore(
            test.store,
            plan: .seeded(
                seed, probability: 0.08,
                [.fail(.unavailable), .fail(.full), .lostReply(.unavailable)]))
        var volumes: [Volume] = []
        for round in 0..<15 {
            let volume = Volume(&generator)
            let before = try test.open("watcher").readLog().entries.count
            let result = code { () throws(LifeboatError) in
                _ = try volume.backUp(test, through: faulty)
            }
            let after = try test.open("watcher").readLog().entries.count
            #expect(after - before <= 1, "seed \(seed), round \(round)")
            if result == nil { #expect(after == before + 1, "seed \(seed), round \(round)") }
            if after > before { volumes.append(volume) }
        }
        try expect(volumes, in: test, "seed \(seed)")
    }

    @Test func `a journal is its session's own until that ends`() throws {
        var generator = SeededGenerator(seed: 2)
        let test = try TestRepository()
        let volume = Volume(&generator)
        let repository = try test.open()
        let dead = try WriteSession.fresh(repository)
        _ = try volume.write(to: dead)
        try dead.flush()
        let packs = test.store.names.count { $0.hasPrefix(ObjectNames.packsPrefix) }
        #expect(packs == 2)
        let during = try SessionJournal.abandoned(repository.directories)
        #expect(during.isEmpty)
        dead.end()
        let after = try SessionJournal.abandoned(repository.directories)
        #expect(after.map(\.packs.count) == [2])
    }

    @Test func `what was taken over is not stored again`() throws {
        var generator = SeededGenerator(seed: 2)
        let test = try TestRepository()
        let volume = Volume(&generator)
        func die() throws {
            let dead = try WriteSession.fresh(try test.open())
            _ = try volume.write(to: dead)
            try dead.flush()
            dead.end()
        }
        try die()
        var adopted = 0
        _ = try volume.backUp(test, through: test.store) { adopted = $0.adoptedPacks }
        #expect(adopted == 2)
        #expect(test.store.names.count { $0.hasPrefix(ObjectNames.packsPrefix) } == 2)
        try expect([volume], in: test, "taken over")
        let left = try Files.list(try test.open().directories.sessions)
        #expect(left == [])
    }

    @Test func `packs that are gone are not taken over`() throws {
        var generator = SeededGenerator(seed: 3)
        let test = try TestRepository()
        let volume = Volume(&generator)
        func die() throws {
            let dead = try WriteSession.fresh(try test.open())
            _ = try volume.write(to: dead)
            try dead.flush()
            dead.end()
        }
        try die()
        let packs = test.store.names.filter { $0.hasPrefix(ObjectNames.packsPrefix) }.sorted()
        try test.store.delete(ObjectName(packs[0]))
        test.store.tamper(ObjectName(packs[1])) { $0.removeLast() }
        var adopted = 0
        _ = try volume.backUp(test, through: test.store) { adopted = $0.adoptedPacks }
        #expect(adopted == 0)
        try expect([volume], in: test, "stored anew")
    }

    @Test func `a journal cut off in a name is read up to there`() throws {
        let test = try TestRepository()
        let directories = try test.open().directories
        let name = Digest(1, 2, 3, 4)
        try Files.writeAtomically(
            directories.sessions + "/x.journal", name.bytes + [UInt8](repeating: 1, count: 31))
        let found = try SessionJournal.abandoned(directories)
        #expect(found.map(\.packs) == [[name]])
    }

    @Test func `sessions of one host commit at once`() throws {
        let test = try TestRepository()
        let results = Guarded<[LifeboatError.Code?]>([])
        Threads.run(count: 3, name: "session") { number in
            var generator = SeededGenerator(seed: UInt64(number))
            for _ in 0..<3 {
                let volume = Volume(&generator)
                let result = code { () throws(LifeboatError) in
                    _ = try volume.backUp(test, through: test.store)
                }
                results.withLock { $0.append(result) }
            }
        }
        #expect(results.withLock { $0.allSatisfy { $0 == nil } })
        let repository = try test.open("reader")
        let log = try repository.readLog()
        #expect(log.problems.isEmpty)
        let catalog = try PointCatalog(repository, log: log)
        #expect(catalog.points.count == 9)
        for point in catalog.points {
            #expect(try Volume.read(point, repository).count == Volume.chunkCount)
        }
    }

    @Test func `hosts with copies of one state directory lose no point`() throws {
        var generator = SeededGenerator(seed: 6)
        let test = try TestRepository()
        let first = Volume(&generator)
        let volumes = [Volume(&generator), Volume(&generator)]
        _ = try first.backUp(test, "one", through: test.store)
        let one = try test.open("one").directories
        let two = try test.open("two").directories
        try Files.writeAtomically(
            two.incarnationFile, try Files.readWhole(one.incarnationFile, limit: 100))

        // Host one waits between its body and its entry until host two has put its own body.
        let bodyOfTwo = Gate()
        let entryOfOne = Gate()
        let results = Guarded<[LifeboatError.Code?]>([])
        let storeOfOne = PausingStore(test.store) { _ in bodyOfTwo.wait() }
        let storeOfTwo = PausingStore(test.store) { _ in
            bodyOfTwo.open()
            entryOfOne.wait()
        }
        let bodyOfOne = Gate()
        storeOfOne.reached = bodyOfOne
        Threads.run(count: 2, name: "host") { number in
            if number == 1 { bodyOfOne.wait() }
            let result = code { () throws(LifeboatError) in
                _ = try volumes[number].backUp(
                    test, number == 0 ? "one" : "two",
                    through: number == 0 ? storeOfOne : storeOfTwo)
            }
            if number == 0 { entryOfOne.open() }
            results.withLock { $0.append(result) }
        }
        #expect(results.withLock { $0 } == [nil, nil])
        try expect([first] + volumes, in: test, "copied state")
    }
}

/// Lets threads wait for something that happens once.
private final class Gate: @unchecked Sendable {
    private let condition = Condition()
    private var isOpen = false

    func open() {
        condition.withLock {
            isOpen = true
            condition.broadcast()
        }
    }

    func wait() { condition.withLock { while !isOpen { condition.wait() } } }
}

/// Calls a closure before the first log entry is put.
private final class PausingStore: ObjectStore, @unchecked Sendable {
    private let inner: any ObjectStore
    private let body: @Sendable (ObjectName) -> Void
    private let hasPaused = Guarded(false)
    /// Opened when the entry is about to be put.
    var reached: Gate?

    init(_ inner: any ObjectStore, _ body: @escaping @Sendable (ObjectName) -> Void) {
        self.inner = inner
        self.body = body
    }

    var location: String { inner.location }
    var capabilities: StoreCapabilities { inner.capabilities }

    func put(_ name: ObjectName, _ pieces: [UnsafeRawBufferPointer]) throws(LifeboatError) {
        let isFirst = hasPaused.withLock { hasPaused -> Bool in
            guard name.path.hasPrefix(ObjectNames.logPrefix), !hasPaused else { return false }
            hasPaused = true
            return true
        }
        if isFirst {
            reached?.open()
            body(name)
        }
        try inner.put(name, pieces)
    }

    func get(_ name: ObjectName, limit: Int) throws(LifeboatError) -> [UInt8] {
        try inner.get(name, limit: limit)
    }

    func read(
        _ name: ObjectName, at offset: UInt64, into target: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError) -> Int { try inner.read(name, at: offset, into: target) }

    func size(_ name: ObjectName) throws(LifeboatError) -> UInt64? { try inner.size(name) }

    func list(
        _ prefix: String, _ body: (ObjectName, UInt64) throws(LifeboatError) -> Void
    ) throws(LifeboatError) { try inner.list(prefix, body) }

    func delete(_ name: ObjectName) throws(LifeboatError) { try inner.delete(name) }
}
