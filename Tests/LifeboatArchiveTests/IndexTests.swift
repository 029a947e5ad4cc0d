import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatStore
import LifeboatSystem
import LifeboatTesting
import Testing

@testable import LifeboatArchive

/// How the ids of a test lie.
enum IDShape: CaseIterable {
    case even, sharedBeginning, clustered, few

    func id(_ generator: inout SeededGenerator) -> Digest {
        switch self {
        case .even: generator.digest()
        case .sharedBeginning: Digest(0x1122_3344_5566_7788, 0, 0, generator.next() % 5000)
        case .clustered:
            Digest(UInt64.max - generator.next() % 4, generator.next() % 3, 7, generator.next())
        case .few: Digest(generator.next() % 20, 0, 0, 1)
        }
    }
}

@Suite struct IndexTests {
    private let folder: TemporaryDirectory

    init() throws { folder = try TemporaryDirectory() }

    private func run(
        _ entries: [IndexEntry], _ packs: [Digest], level: Int = 0
    ) throws(LifeboatError) -> IndexRun {
        try run(IndexTable.encode(entries, packs: packs, level: level))
    }

    private func run(_ plain: [UInt8]) throws(LifeboatError) -> IndexRun {
        let name = SHA256Hash.digest(randomBytes(32))
        try Files.writeAtomically(folder.file(name.hex), plain)
        return try IndexRun(name, path: folder.file(name.hex))
    }

    /// Sorted random entries over `packCount` packs.
    private func entries(
        _ count: Int, packCount: Int, _ shape: IDShape, _ generator: inout SeededGenerator
    ) -> [IndexEntry] {
        (0..<count).map { _ in
            IndexEntry(
                id: shape.id(&generator), pack: UInt32(generator.below(packCount)),
                frame: UInt16(generator.below(65536)), slot: UInt16(generator.below(65536)))
        }.sorted { $0.id < $1.id }
    }

    private func all(_ run: IndexRun) throws(LifeboatError) -> [Digest: Set<Location>] {
        let packs = try run.packs()
        var result: [Digest: Set<Location>] = [:]
        var cursor = try IndexRunCursor(run)
        while let entry = cursor.entry {
            result[entry.id, default: []].insert(
                Location(
                    pack: packs[Int(entry.pack)], frame: Int(entry.frame), slot: Int(entry.slot)))
            try cursor.advance()
        }
        return result
    }

    @Test(arguments: TestSeeds.all, IDShape.allCases)
    func `runs and what they are merged to agree with a dictionary`(
        seed: UInt64, shape: IDShape
    ) throws {
        var generator = SeededGenerator(seed: seed)
        let note: Comment = "seed \(seed), \(shape)"
        var runs: [IndexRun] = []
        var model: [Digest: Set<Location>] = [:]
        var packs: [Digest] = []
        for _ in 0..<1 + generator.below(10) {
            let own = (0..<1 + generator.below(20)).map { _ in generator.digest() }
            packs += own
            let count = [1, 2, 63, 65, 300, 1500, 4000][generator.below(7)]
            let list = entries(count, packCount: own.count, shape, &generator)
            for entry in list {
                model[entry.id, default: []].insert(
                    Location(
                        pack: own[Int(entry.pack)], frame: Int(entry.frame),
                        slot: Int(entry.slot)))
            }
            runs.append(try run(list, own, level: generator.below(3)))
        }
        var merged: [IndexRun] = []
        try IndexMerge.merge(runs, level: 3) { plain throws(LifeboatError) in
            merged.append(try run(plain))
        }
        #expect(merged.map(\.shape.level) == [Int](repeating: 3, count: merged.count), note)
        for pair in zip(merged, merged.dropFirst()) {
            #expect(pair.0.last <= pair.1.first, note)
        }
        let damaged = Set(packs.filter { _ in generator.below(4) == 0 })
        for set in [runs, merged] {
            let index = try Index(trusting: set)
            let hurt = try Index(trusting: set, damaged: damaged)
            var wanted = Array(model.keys.sorted().prefix(400))
            for _ in 0..<200 { wanted.append(shape.id(&generator)) }
            for id in wanted {
                let places = model[id] ?? []
                #expect(try index.contains(id) == !places.isEmpty, note)
                let found = try index.find(id)
                #expect(found.map { places.contains($0) } ?? places.isEmpty, note)
                let whole = places.filter { !damaged.contains($0.pack) }
                #expect(try hurt.contains(id) == !whole.isEmpty, note)
                let other = try index.find(id, except: damaged)
                #expect(other.map { whole.contains($0) } ?? whole.isEmpty, note)
            }
            let lost = model.filter { $0.value.allSatisfy { damaged.contains($0.pack) } }
            #expect(try hurt.lostIDs() == Set(lost.keys), note)
        }
        var union: [Digest: Set<Location>] = [:]
        for one in merged {
            for (id, places) in try all(one) { union[id, default: []].formUnion(places) }
        }
        #expect(union == model, note)
    }

    @Test func `a merge cuts at the limit of a run`() throws {
        var generator = SeededGenerator(seed: 3)
        let packs = [generator.digest()]
        var runs: [IndexRun] = []
        for part in 0..<2 {
            let list = (0..<150_000).map {
                IndexEntry(
                    id: Digest(UInt64($0 * 2 + part) << 40, 0, 0, 0), pack: 0, frame: 1, slot: 2)
            }
            runs.append(try run(list, packs))
        }
        var merged: [IndexRun] = []
        try IndexMerge.merge(runs, level: 1) { plain throws(LifeboatError) in
            merged.append(try run(plain))
        }
        #expect(merged.map(\.shape.entryCount) == [1 << 18, 300_000 - 1 << 18])
        #expect(merged.map(\.shape.packCount) == [1, 1])
        #expect(IndexMerge.depth(merged) == 1)
        let index = try Index(trusting: merged)
        for number in stride(from: UInt64(0), to: 300_000, by: 997) {
            #expect(try index.contains(Digest(number << 40, 0, 0, 0)))
            #expect(try !index.contains(Digest(number << 40, 0, 0, 1)))
        }
    }

    @Test func `runs are merged when eight of a level lie over each other`() throws {
        func spanning(_ range: ClosedRange<UInt64>, level: Int) throws(LifeboatError) -> IndexRun {
            let list = [range.lowerBound, range.upperBound].map {
                IndexEntry(id: Digest($0, 0, 0, 0), pack: 0, frame: 0, slot: 0)
            }
            return try run(list, [.zero], level: level)
        }
        var runs: [IndexRun] = []
        for _ in 0..<7 { runs.append(try spanning(0...9, level: 0)) }
        for start in 0..<20 {
            runs.append(try spanning(UInt64(100 + 10 * start)...UInt64(109 + 10 * start), level: 0))
        }
        for _ in 0..<7 { runs.append(try spanning(0...1000, level: 1)) }
        #expect(IndexMerge.due(runs).isEmpty)
        #expect(IndexMerge.depth(runs) == 14)
        // Runs that only touch at one id do lie over each other there.
        runs.append(try spanning(9...9, level: 0))
        #expect(IndexMerge.due(runs).map(\.shape.level) == [Int](repeating: 0, count: 28))
        runs.removeLast()
        runs.append(try spanning(1000...2000, level: 1))
        #expect(IndexMerge.due(runs).map(\.shape.level) == [Int](repeating: 1, count: 8))
    }

    @Test func `a pack with more entries than a run is found whole`() throws {
        let test = try TestRepository()
        let session = SessionIndex(try test.open().directories)
        var generator = SeededGenerator(seed: 8)
        let small = PackDirectory(
            frames: [frame(slotCount: 1)], slots: [.init(id: generator.digest(), length: 1)])
        let smallName = generator.digest()
        try session.add(smallName, small)
        let largeName = generator.digest()
        let slots = (0..<280_000).map {
            PackDirectory.Slot(id: generator.digest(with: $0), length: 1)
        }
        let large = PackDirectory(
            frames: (0..<7).map { _ in frame(slotCount: 40_000) }, slots: slots)
        try session.add(largeName, large)
        let last = generator.digest()
        let afterName = generator.digest()
        try session.add(
            afterName,
            PackDirectory(frames: [frame(slotCount: 1)], slots: [.init(id: last, length: 1)]))
        let index = try Index(trusting: try session.finish())
        for number in stride(from: 0, to: slots.count, by: 701) {
            let place = Location(pack: largeName, frame: number / 40_000, slot: number % 40_000)
            #expect(try index.find(slots[number].id) == place)
        }
        let place = Location(pack: largeName, frame: 6, slot: 39_999)
        #expect(try index.find(slots[279_999].id) == place)
        #expect(try index.find(last) == Location(pack: afterName, frame: 0, slot: 0))
        #expect(try index.find(small.slots[0].id)?.pack == smallName)
    }

    private func frame(slotCount: Int) -> PackDirectory.Frame {
        PackDirectory.Frame(
            offset: 0, sealedLength: 0, plainLength: 0, slotCount: UInt16(slotCount), keyIndex: 0,
            encoding: 0, counter: 0)
    }
}

extension SeededGenerator {
    fileprivate mutating func digest(with number: Int) -> Digest {
        Digest(next(), UInt64(number), 0, 0)
    }
}

@Suite struct IndexRunObjectTests {
    private let repository: Repository
    private let domain: DomainKeys
    private let writer: WriterKeys

    init() throws {
        repository = try TestRepository().open()
        domain = try repository.requireDomain()
        writer = try repository.requireWriter()
    }

    private func open(_ bytes: [UInt8], domain other: DomainKeys? = nil) throws(LifeboatError)
        -> [UInt8]
    {
        try IndexRunObject.open(
            bytes, name: SHA256Hash.digest(bytes), domain: other ?? domain,
            roster: repository.roster, subject: "index/test")
    }

    @Test(arguments: [1, 1024, 65_535, 65_536, 65_537, 200_000])
    func `an index run comes back as it was sealed`(count: Int) throws {
        let plain = randomBytes(count)
        #expect(try open(IndexRunObject.seal(plain, domain: domain, writer: writer)) == plain)
    }

    @Test(arguments: TestSeeds.all) func `a changed byte is noticed`(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let sealed = IndexRunObject.seal(randomBytes(140_000), domain: domain, writer: writer)
        let name = SHA256Hash.digest(sealed)
        for _ in 0..<40 {
            let position =
                generator.below(3) == 0 ? generator.below(90) : generator.below(sealed.count)
            var bytes = sealed
            bytes[position] ^= UInt8(1 << generator.below(8))
            let asNamed = code { () throws(LifeboatError) in
                try IndexRunObject.check(
                    bytes, name: name, roster: repository.roster, subject: "index/test")
            }
            #expect(asNamed == .damaged, "seed \(seed), byte \(position)")
            let renamed = code { () throws(LifeboatError) in _ = try open(bytes) }
            #expect(
                renamed == .damaged || renamed == .unsupported, "seed \(seed), byte \(position)")
        }
    }

    @Test func `blocks cannot be dropped or exchanged even by a writer`() throws {
        let sealed = IndexRunObject.seal(randomBytes(200_000), domain: domain, writer: writer)
        let block = IndexRunLayout.sealedBlockByteCount
        let head = IndexRunLayout.headerByteCount
        let unsigned = Array(sealed.dropLast(IndexRunLayout.signatureByteCount))
        func signed(_ bytes: [UInt8]) -> [UInt8] {
            bytes
                + writer.signing.sign(
                    Array(ObjectKind.indexRun.rawValue.utf8) + SHA256Hash.digest(bytes).bytes)
        }
        #expect(try open(signed(unsigned)).count == 200_000)
        var exchanged = unsigned
        for offset in 0..<block { exchanged.swapAt(head + offset, head + block + offset) }
        for bytes in [
            Array(unsigned[0..<head + block]), Array(unsigned[0..<head + 2 * block]), exchanged,
        ] {
            #expect(code { () throws(LifeboatError) in _ = try open(signed(bytes)) } == .damaged)
        }
    }

    @Test func `another domain and another writer are refused`() throws {
        let sealed = IndexRunObject.seal(randomBytes(99), domain: domain, writer: writer)
        let other = DomainKeys(
            repository: domain.repository, domain: .random(), secret: .random(count: 32))
        #expect(
            code { () throws(LifeboatError) in _ = try open(sealed, domain: other) } == .damaged)
        let stranger = WriterKeys(
            repository: repository.id, writer: writer.writer, signing: .generate(),
            domain: domain.domain, domainSecret: .random(count: 32), rootKey: writer.rootKey)
        let forged = IndexRunObject.seal(randomBytes(99), domain: domain, writer: stranger)
        #expect(code { () throws(LifeboatError) in _ = try open(forged) } == .damaged)
    }
}
