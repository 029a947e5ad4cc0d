import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatProtocol
import LifeboatStore
import LifeboatSystem
import LifeboatTesting
import Testing

@testable import LifeboatArchive

/// What a thief who holds everything that a writer holds can do to the others.
@Suite struct ThiefTests {
    private let test: TestRepository
    private let thief: Repository
    private let keeper: Repository

    init() throws {
        test = try TestRepository()
        let stolen = try test.enrol(.writer)
        let kept = try test.enrol(.keeper)
        thief = try test.open("thief", secret: stolen, withRecovery: false)
        keeper = try test.open("keeper", secret: kept, withRecovery: false)
    }

    private static func chunks(_ seed: UInt64, _ count: Int = 6) -> [[UInt8]] {
        var generator = SeededGenerator(seed: seed)
        return (0..<count).map { _ in
            (0..<8192).flatMap { _ in
                withUnsafeBytes(of: generator.next()) { [UInt8]($0) }
            }
        }
    }

    /// Backs up a volume of these chunks, in two packs.
    @discardableResult
    private func backUp(
        _ chunks: [[UInt8]], _ repository: Repository, machine: String = "alpha"
    ) throws -> Point {
        let session = try WriteSession.fresh(repository)
        defer { session.end() }
        var ids = try session.store(chunks: Array(chunks[..<3]))
        try session.flush()
        ids += try session.store(chunks: Array(chunks[3...]))
        let builder = try BlockMapBuilder(
            chunkCount: UInt64(ids.count), parent: .zero, nodes: nil, sink: session,
            forgivesDamage: false)
        for (index, id) in ids.enumerated() { try builder.set(UInt64(index), id) }
        let root = try builder.finish(chunkCount: UInt64(ids.count))
        return try session.commit(
            body(machine: machine, size: UInt64(ids.count) * 65536, root: root))
    }

    /// Reads a point as a restore does: every copy is tried until one has the chunk's id.
    private func readBack(_ point: Point) throws -> [[UInt8]] {
        let repository = try test.open("reader-" + Identifier.random().hex)
        let index = try Index.open(repository, ledger: try repository.readLog().ledger)
        let packs = try PackCache(repository)
        let nodes = try NodeReader(repository, index: index, packs: packs)
        let decoder = FrameDecoder(store: repository.store, repository: repository.id)
        let hasher = try repository.requireDomain().chunkHasher()
        let plain = Buffer(capacity: PackLayout.frameByteLimit)
        var ids: [Digest] = []
        let volume = point.body.volumes[0]
        try BlockMapWalk(nodes).leaves(
            of: BlockMapRoot(id: volume.root, levels: volume.levels), in: 0..<32
        ) { _, found in ids += found.filter { !$0.isZero } }
        return try ids.map { id in
            var avoided: Set<Digest> = []
            while true {
                let place = try Locator(index: index, packs: packs).find(id, except: avoided)
                let directory = place.pack.directory
                let first = directory.firstSlots[place.frame]
                let offset = directory.slots[first..<first + place.slot]
                    .reduce(0) { $0 + Int($1.length) }
                let length = Int(directory.slots[first + place.slot].length)
                let frame = directory.frames[place.frame]
                try decoder.decode(
                    place.frame, of: place.pack, plainCount: Int(frame.plainLength),
                    into: plain.storage)
                let bytes = Array(plain.storage[offset..<offset + length])
                if bytes.withUnsafeBytes({ hasher.digest($0) }) == id { return bytes }
                avoided.insert(place.pack.name)
            }
        }
    }

    private func append(_ fill: (inout LogEntry) -> Void) throws {
        let session = try OpenSession(thief, try thief.requireWriter())
        // What only keepers may say makes the entry worthless for its writer too.
        _ = try? session.commit(fill)
        try session.journal.remove()
    }

    private func prune(_ repository: Repository) throws {
        for _ in 0..<3 {
            _ = try Collector(
                repository, maximumUnused: 0, events: SilentSink(), cancellation: Cancellation()
            ).run()
        }
    }

    @Test func `a thief cannot read what is stored`() throws {
        try backUp(Self.chunks(1), thief)
        let domain = try thief.requireDomain()
        var frames = 0
        for name in try thief.readLog().packs {
            let pack = try OpenPack.open(
                name, store: thief.store, domains: thief.domains, recovery: nil)
            guard pack.header.content == .data else { continue }
            #expect(pack.keys == nil)
            let plain = Buffer(capacity: PackLayout.frameByteLimit)
            let decoder = FrameDecoder(store: thief.store, repository: thief.id)
            for number in pack.directory.frames.indices {
                frames += 1
                #expect(
                    code { () throws(LifeboatError) in
                        try decoder.decode(number, of: pack, plainCount: 1, into: plain.storage)
                    } == .wrongKey)
                // Nor with any key that the domain's secret gives.
                let frame = pack.directory.frames[number]
                var sealed = [UInt8](repeating: 0, count: Int(frame.sealedLength))
                _ = try sealed.withMutableBytes { raw throws(LifeboatError) in
                    try thief.store.read(
                        ObjectNames.pack(name), at: UInt64(frame.offset), into: raw)
                }
                let guess = FrameCipher(key: domain.metadataFrameKey(salt: pack.keyIDs[0].bytes))
                let associated = PackLayout.frameAssociatedData(
                    repository: thief.id, keyID: pack.keyIDs[0], counter: frame.counter)
                #expect(throws: LifeboatError.self) {
                    try guess.open(
                        counter: frame.counter, associatedData: associated, sealed: sealed)
                }
            }
        }
        #expect(frames >= 2)
    }

    @Test func `a thief cannot speak for another writer`() throws {
        let entries = try test.append(2)
        let victim = entries[1].entry
        var forged = LogEntry(
            repository: thief.id, member: victim.member, incarnation: victim.incarnation,
            sequence: victim.sequence + 1, previous: entries[1].id, domain: victim.domain, time: 3)
        forged.body = victim.body
        let name = ObjectNames.logEntry(forged.incarnation, forged.sequence)
        let key = try thief.requireWriter().signing
        try test.store.put(name, bytes: Repository.signed(.logEntry, forged.payload, by: key))
        let log = try test.readFresh()
        #expect(Set(log.ledger.points.map(\.id)) == Set(entries.map(\.id)))
        #expect(log.problems.map(\.subject) == [name.path])
        // The victim goes on, in a new log; a keeper can give up the old one.
        try test.append(2)
        #expect(try test.readFresh().ledger.points.count == 4)
        #expect(code { () throws(LifeboatError) in _ = try collect() } == .damaged)
        _ = try keeper.fence([forged.incarnation])
        _ = try collect()
        #expect(try test.readFresh().problems.isEmpty)
        #expect(try test.readFresh().ledger.points.count == 4)
    }

    private func collect() throws(LifeboatError) -> Collector.Outcome {
        try Collector(
            keeper, maximumUnused: 5, events: SilentSink(), cancellation: Cancellation()
        ).run()
    }

    @Test(arguments: 0..<8) func `a thief cannot forget or collect`(which: Int) throws {
        let point = try backUp(Self.chunks(2), try test.open())
        let log = try thief.readLog()
        let packs = log.packs.map { ObjectReference(.pack, $0) }
        try append { entry in
            switch which {
            case 0: entry.forgotten = [point.id]
            case 1: entry.condemned = packs
            case 2: entry.doomed = packs
            case 3: entry.emptied = packs.map(\.digest)
            case 4: entry.fenced = [point.record.incarnation]
            case 5:
                entry.ends = [
                    LogHead(
                        incarnation: point.record.incarnation, sequence: 0, digest: .zero)
                ]
            case 6: entry.checkpoint = .init(ordinal: 9, digest: .zero)
            default: entry.held = [point.id]
            }
        }
        let after = try test.readFresh()
        #expect(after.ledger.points.map(\.id) == [point.id])
        #expect(after.problems.count == 1)
        #expect(log.packs.allSatisfy { after.ledger.trusts($0) })
        #expect(try readBack(point) == Self.chunks(2))
    }

    @Test func `a thief cannot take the index or tags from others`() throws {
        let point = try backUp(Self.chunks(3), try test.open())
        let runs = Set(try thief.readLog().ledger.runs.keys)
        let edit = try thief.tagEdit(["owned": "yes"], of: point.record)
        try append { entry in
            entry.replacedRuns = runs.sorted()
            entry.tagEdits = [edit]
        }
        let log = try test.readFresh()
        #expect(Set(log.ledger.runs.keys) == runs)
        #expect(log.ledger.points.allSatisfy { $0.tags.isEmpty })
        #expect(try readBack(point) == Self.chunks(3))
    }

    /// Packs whose directories claim another's chunks, and index runs that claim them for the wrong
    /// packs: whoever collects must not let go of the real ones for that.
    @Test(arguments: [false, true], TestSeeds.all)
    func `a thief's lies do not move a keeper`(withRecovery: Bool, seed: UInt64) throws {
        let chunks = Self.chunks(seed)
        let point = try backUp(chunks, try test.open())
        let log = try thief.readLog()
        let index = try Index.open(thief, ledger: log.ledger)
        let hasher = try thief.requireDomain().chunkHasher()
        let ids = chunks.map { chunk in chunk.withUnsafeBytes { hasher.digest($0) } }
        for round in 0..<3 {
            let session = try WriteSession.fresh(thief)
            let encoder = FrameEncoder(level: 3, frameByteCount: PackLayout.frameByteLimit)
            let garbage = Self.chunks(seed + 1000 + UInt64(round), 1)[0]
            try garbage.withBytes { raw throws(LifeboatError) in
                _ = try session.store(
                    raw, slots: ids.enumerated().map { .init(id: $1, length: $0 == 0 ? 65536 : 0) },
                    encoder: encoder)
            }
            _ = try session.commit(body(machine: "alpha"))
            session.end()
        }
        // Each chunk in the pack where it is not.
        let packs = log.packs.sorted()
        var entries: [IndexEntry] = []
        for id in ids {
            guard let place = try index.find(id) else { continue }
            for (number, pack) in packs.enumerated() where pack != place.pack {
                entries.append(IndexEntry(id: id, pack: UInt32(number), frame: 0, slot: 0))
            }
        }
        entries.sort { ($0.id, $0.pack) < ($1.id, $1.pack) }
        let object = IndexRunObject.seal(
            IndexTable.encode(entries, packs: packs, level: 0),
            domain: try thief.requireDomain(), writer: try thief.requireWriter())
        let run = SHA256Hash.digest(object)
        try test.store.put(ObjectNames.indexRun(run), bytes: object)
        try append { $0.runs = [run] }

        let secret = try test.enrol(.keeper)
        let other = try test.open("other-keeper", secret: secret, withRecovery: withRecovery)
        try prune(other)
        #expect(try readBack(point) == chunks)
        // Another backup of the same content, and its predecessor's end, change nothing.
        let second = try backUp(chunks, try test.open())
        _ = try other.keep { _ throws(LifeboatError) in { $0.forgotten = [point.id] } }
        try prune(other)
        #expect(try readBack(second) == chunks)
    }
}
