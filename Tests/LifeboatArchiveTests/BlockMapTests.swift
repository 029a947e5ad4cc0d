import LifeboatCore
import LifeboatFormat
import LifeboatStore
import LifeboatTesting
import Testing

@testable import LifeboatArchive

/// A volume's chunk ids as a dictionary, and what may be done to them.
private struct MapModel {
    var count: UInt64 = 0
    var ids: [UInt64: Digest] = [:]

    enum Change {
        case set(UInt64, Digest)
        case zero(Range<UInt64>)
        case look(UInt64)
    }

    mutating func apply(_ change: Change) {
        switch change {
        case .set(let chunk, let id): ids[chunk] = id.isZero ? nil : id
        case .zero(let range): ids = ids.filter { !range.contains($0.key) }
        case .look: break
        }
    }

    mutating func resize(_ newCount: UInt64) {
        count = newCount
        ids = ids.filter { $0.key < newCount }
    }

    /// Ascending changes, as a scan of the volume makes them.
    func changes(_ generator: inout SeededGenerator) -> [Change] {
        var result: [Change] = []
        var position: UInt64 = 0
        while position < count, result.count < 300 {
            let room = count - position
            switch generator.below(8) {
            case 0:
                let longest = [1, 31, 32, 33, 1024, 5000, 40_000][generator.below(7)]
                let length = min(room, UInt64(1 + generator.below(longest)))
                result.append(.zero(position..<position + length))
                position += length
            case 1: position += min(room, UInt64(1 + generator.below(2000)))
            case 2:
                result.append(.look(position))
                position += 1
            case 3:
                result.append(.set(position, ids[position] ?? .zero))
                position += 1
            default:
                for _ in 0..<1 + generator.below(40) where position < count {
                    result.append(.set(position, generator.digest()))
                    position += 1
                }
            }
        }
        return result
    }

    func difference(to other: MapModel) -> [UInt64: [Digest]] {
        var result: [UInt64: [Digest]] = [:]
        for chunk in Set(ids.keys).union(other.ids.keys) where ids[chunk] != other.ids[chunk] {
            result[chunk] = [ids[chunk] ?? .zero, other.ids[chunk] ?? .zero]
        }
        return result
    }
}

@Suite struct BlockMapTests {
    private let repository: Repository
    private let test: TestRepository

    init() throws {
        test = try TestRepository()
        repository = try test.open()
    }

    private func reader(_ session: WriteSession) throws(LifeboatError) -> NodeReader {
        try NodeReader(
            repository, index: try session.indexSoFar(), packs: try PackCache(repository))
    }

    /// The root of a map that is built from nothing.
    private func scratch(_ model: MapModel) throws(LifeboatError) -> BlockMapRoot {
        let builder = try BlockMapBuilder(
            chunkCount: model.count, parent: .zero, nodes: nil, sink: try MemorySink(repository),
            forgivesDamage: false)
        for chunk in model.ids.keys.sorted() { try builder.set(chunk, model.ids[chunk] ?? .zero) }
        return try builder.finish(chunkCount: model.count)
    }

    private func content(
        _ root: BlockMapRoot, _ nodes: NodeReader, in range: Range<UInt64>
    ) throws(LifeboatError) -> [UInt64: Digest] {
        var found: [UInt64: Digest] = [:]
        var last: UInt64?
        var isAscending = true
        try BlockMapWalk(nodes).leaves(of: root, in: range) { first, ids in
            if let last, first <= last { isAscending = false }
            last = first
            for (slot, id) in ids.enumerated() where !id.isZero {
                let chunk = first + UInt64(slot)
                if range.contains(chunk) { found[chunk] = id }
            }
        }
        return isAscending ? found : [:]
    }

    @Test(arguments: TestSeeds.all)
    func `maps in a chain agree with a dictionary`(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let session = try WriteSession.fresh(repository)
        defer { session.end() }
        var model = MapModel()
        var root = BlockMapRoot.zero
        for round in 0..<8 {
            let note: Comment = "seed \(seed), round \(round)"
            let old = model
            let counts = [0, 1, 31, 32, 33, 1000, 1024, 1025, 5000, 33_000, 70_000]
            let isStream = generator.below(3) == 0
            model.resize(UInt64(counts[generator.below(counts.count)]))
            let nodes = try reader(session)
            let builder = try BlockMapBuilder(
                chunkCount: isStream ? 1 << 40 : model.count, parent: root, nodes: nodes,
                sink: session, forgivesDamage: false)
            for change in model.changes(&generator) {
                switch change {
                case .set(let chunk, let id): try builder.set(chunk, id)
                case .zero(let range): try builder.setZero(range)
                case .look(let chunk):
                    #expect(try builder.existing(chunk) == model.ids[chunk] ?? .zero, note)
                }
                model.apply(change)
            }
            let new = try builder.finish(chunkCount: model.count)
            #expect(builder.unreadable.isEmpty, note)
            #expect(new == (try scratch(model)), note)

            let after = try reader(session)
            let whole = try content(new, after, in: 0..<model.count)
            #expect(whole == model.ids, note)
            let start = UInt64(generator.below(Int(model.count) + 1))
            let part = try content(new, after, in: start..<min(model.count, start + 700))
            #expect(part == model.ids.filter { $0.key >= start && $0.key < start + 700 }, note)

            var difference: [UInt64: [Digest]] = [:]
            try BlockMapWalk(after).difference(root, new) { difference[$0] = [$1, $2] }
            #expect(difference == old.difference(to: model), note)
            root = new
        }
    }

    @Test(arguments: TestSeeds.all)
    func `a map that does not change stores nothing`(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let session = try WriteSession.fresh(repository)
        defer { session.end() }
        var model = MapModel()
        model.resize(UInt64(1 + generator.below(40_000)))
        for change in model.changes(&generator) { model.apply(change) }
        let builder = try BlockMapBuilder(
            chunkCount: model.count, parent: .zero, nodes: nil, sink: session,
            forgivesDamage: false)
        for chunk in model.ids.keys.sorted() { try builder.set(chunk, model.ids[chunk] ?? .zero) }
        let root = try builder.finish(chunkCount: model.count)

        let sink = CountingSink(session)
        for chunkCount in [model.count, 1 << 40] {
            let again = try BlockMapBuilder(
                chunkCount: chunkCount, parent: root, nodes: try reader(session), sink: sink,
                forgivesDamage: false)
            for chunk in 0..<model.count { try again.set(chunk, model.ids[chunk] ?? .zero) }
            #expect(try again.finish(chunkCount: model.count) == root, "seed \(seed)")
            #expect(sink.calls == 0, "seed \(seed)")
        }
    }

    @Test func `a scattered write stores one path`() throws {
        var generator = SeededGenerator(seed: 5)
        let session = try WriteSession.fresh(repository)
        defer { session.end() }
        let count: UInt64 = 40_000
        let first = try BlockMapBuilder(
            chunkCount: count, parent: .zero, nodes: nil, sink: session, forgivesDamage: false)
        for chunk in 0..<count { try first.set(chunk, generator.digest()) }
        let root = try first.finish(chunkCount: count)
        #expect(root.levels == 4)
        for chunks in [[UInt64(12_345)], [0, 39_999], [100, 101], [0, 32, 64]] {
            let sink = CountingSink(session)
            let builder = try BlockMapBuilder(
                chunkCount: count, parent: root, nodes: try reader(session), sink: sink,
                forgivesDamage: false)
            for chunk in chunks { try builder.set(chunk, generator.digest()) }
            _ = try builder.finish(chunkCount: count)
            let paths = (0..<4).map { level in Set(chunks.map { $0 >> UInt64(5 * (level + 1)) }) }
            #expect(sink.calls == paths.map(\.count).reduce(0, +), "\(chunks)")
        }
    }

    @Test func `a volume of zeros has no nodes`() throws {
        let sink = try MemorySink(repository)
        let builder = try BlockMapBuilder(
            chunkCount: 1 << 30, parent: .zero, nodes: nil, sink: sink, forgivesDamage: false)
        try builder.setZero(0..<1 << 30)
        #expect(try builder.finish(chunkCount: 1 << 30) == .zero)
        #expect(sink.calls == 0)
    }

    @Test func `a damaged parent is an error or counts as unknown`() throws {
        let session = try WriteSession.fresh(repository)
        defer { session.end() }
        var generator = SeededGenerator(seed: 9)
        var model = MapModel()
        model.resize(2000)
        for chunk in 0..<model.count { model.ids[chunk] = generator.digest() }
        let builder = try BlockMapBuilder(
            chunkCount: model.count, parent: .zero, nodes: nil, sink: session,
            forgivesDamage: false)
        for chunk in 0..<model.count { try builder.set(chunk, model.ids[chunk] ?? .zero) }
        let root = try builder.finish(chunkCount: model.count)
        let index = try session.indexSoFar()
        for name in test.store.names where name.hasPrefix(ObjectNames.packsPrefix) {
            try test.store.delete(.init(name))
        }
        let nodes = try NodeReader(repository, index: index, packs: try PackCache(repository))
        let strict = code { () throws(LifeboatError) in
            _ = try BlockMapBuilder(
                chunkCount: model.count, parent: root, nodes: nodes, sink: session,
                forgivesDamage: false)
        }
        #expect(strict == .damaged)
        let mild = try BlockMapBuilder(
            chunkCount: model.count, parent: root, nodes: nodes,
            sink: try MemorySink(repository), forgivesDamage: true)
        #expect(try mild.existing(7) == .zero)
        for chunk in 0..<model.count { try mild.set(chunk, model.ids[chunk] ?? .zero) }
        #expect(try mild.finish(chunkCount: model.count) == root)
        #expect(mild.unreadable.count == 1)
    }
}
