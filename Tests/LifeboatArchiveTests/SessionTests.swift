import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatProtocol
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
        let index = try Index.open(repository, ledger: log.ledger)
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
        let ordered = catalog.points.sorted { $0.record.sequence < $1.record.sequence }
        let contents = try ordered.map { try Volume.read($0, repository) }
        #expect(contents == volumes.map(\.chunks), note, sourceLocation: sourceLocation)
    }

    /// Stores a volume in a session that ends without a commit.
    private func die(_ volume: Volume, in test: TestRepository) throws {
        let dead = try WriteSession.fresh(try test.open())
        _ = try volume.write(to: dead)
        try dead.flush()
        dead.end()
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
                    let isThere = log.ledger.points.count == 2
                    if result == nil { #expect(isThere, note) }
                    // After the entry was put, its session looks whether it counts.
                    if isThere, result != nil { #expect(kind == .lostReply || call != .put, note) }
                    try expect(isThere ? [old, new] : [old], in: test, note)
                    let next = Volume(&generator)
                    _ = try next.backUp(test, through: test.store)
                    try expect((isThere ? [old, new] : [old]) + [next], in: test, note)
                    number += 1
                }
                // An entry that opens, two packs, an index run, a body and an entry that commits.
                if call == .put { #expect(number == 7) }
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
            let before = try test.open("watcher").readLog().ledger.points.count
            let result = code { () throws(LifeboatError) in
                _ = try volume.backUp(test, through: faulty)
            }
            let after = try test.open("watcher").readLog().ledger.points.count
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
        try die(volume, in: test)
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
        try die(volume, in: test)
        let packs = test.store.names.filter { $0.hasPrefix(ObjectNames.packsPrefix) }.sorted()
        try test.store.delete(ObjectName(packs[0]))
        test.store.tamper(ObjectName(packs[1])) { $0.removeLast() }
        var adopted = 0
        _ = try volume.backUp(test, through: test.store) { adopted = $0.adoptedPacks }
        #expect(adopted == 0)
        try expect([volume], in: test, "stored anew")
    }

    @Test func `what a session of another log has stored is not taken over`() throws {
        var generator = SeededGenerator(seed: 4)
        let test = try TestRepository()
        let volume = Volume(&generator)
        try die(volume, in: test)
        // A new log does not show the session as open: a keeper need not wait for it any more.
        let repository = try test.open()
        let member = try repository.requireMember().writer
        try Files.remove(repository.directories.memoryFile(member))
        var adopted = 0
        _ = try volume.backUp(test, through: test.store) { adopted = $0.adoptedPacks }
        #expect(adopted == 0)
        #expect(try Files.list(repository.directories.sessions) == [])
        try expect([volume], in: test, "stored anew")
    }

    @Test func `packs that a keeper condemned are not taken over`() throws {
        var generator = SeededGenerator(seed: 5)
        let test = try TestRepository()
        let volume = Volume(&generator)
        let keeper = try test.open("keeper", secret: try test.enrol(.keeper))
        try die(volume, in: test)
        let names = test.store.names.filter { $0.hasPrefix(ObjectNames.packsPrefix) }.sorted()
        let pack = try #require(ObjectNames.digest(ObjectName(names[0])))
        _ = try keeper.keep { _ in { $0.condemned = [.init(.pack, pack)] } }
        var adopted = 0
        _ = try volume.backUp(test, through: test.store) { adopted = $0.adoptedPacks }
        #expect(adopted == 1)
        try expect([volume], in: test, "one stored anew")
    }

    @Test func `chunks in condemned packs are stored again`() throws {
        var generator = SeededGenerator(seed: 6)
        let test = try TestRepository()
        let volume = Volume(&generator)
        let keeper = try test.open("keeper", secret: try test.enrol(.keeper))
        _ = try volume.backUp(test, through: test.store)
        let packs = { test.store.names.count { $0.hasPrefix(ObjectNames.packsPrefix) } }
        _ = try volume.backUp(test, through: test.store)
        #expect(packs() == 2)
        let named = try test.readFresh().packs
        _ = try keeper.keep { _ in { $0.condemned = named.map { .init(.pack, $0) } } }
        _ = try volume.backUp(test, through: test.store)
        #expect(packs() == 4)
        for pack in named { try test.store.delete(ObjectNames.pack(pack)) }
        try expect([volume, volume, volume], in: test, "from the new packs")
    }

    @Test func `a journal cut off in a name is read up to there`() throws {
        let test = try TestRepository()
        let directories = try test.open().directories
        let name = Digest(1, 2, 3, 4)
        let session = Identifier.random()
        try Files.writeAtomically(
            directories.sessions + "/" + session.hex + ".journal",
            name.bytes + [UInt8](repeating: 1, count: 31))
        let found = try SessionJournal.abandoned(directories)
        #expect(found.map(\.packs) == [[name]])
        #expect(found.map(\.journal.session) == [session])
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
}
