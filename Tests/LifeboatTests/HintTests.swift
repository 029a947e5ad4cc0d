import LifeboatCore
import LifeboatFormat
import LifeboatSystem
import LifeboatTesting
import Testing

@testable import Lifeboat
@testable import LifeboatArchive

@Suite struct HintTests {
    private static let chunkSize = 65536
    private let folder: TemporaryDirectory
    private let base = Digest(0x1234, 5, 6, 7)

    init() throws { folder = try TemporaryDirectory() }

    private func hint(
        _ extents: [Extent], size: UInt64, oldSize: UInt64? = nil, base text: String? = nil,
        volume: String = "disk", parent: Point? = nil
    ) throws(LifeboatError) -> Hint {
        let path = folder.file(Identifier.random().hex)
        let content = ChangedExtentsText(
            base: text ?? base.hex, volume: volume, size: size, granularity: 512,
            extents: extents)
        try Files.writeAtomically(path, Array(content.text.utf8))
        return try Hint(
            path: path, volume: "disk", size: size,
            parent: parent ?? point(id: base, volume: "disk", size: oldSize ?? size),
            chunkSize: Self.chunkSize)
    }

    private func randomExtents(_ size: UInt64, _ generator: inout SeededGenerator) -> [Extent] {
        var extents: [Extent] = []
        var position = UInt64(Int.random(in: 0...300, using: &generator)) * 512
        while position < size {
            let length = min(
                size - position, UInt64(Int.random(in: 1...700, using: &generator)) * 512)
            extents.append(Extent(offset: position, length: length))
            position += length + UInt64(Int.random(in: 0...2000, using: &generator)) * 512
        }
        return extents
    }

    private func changed(_ hint: Hint) -> Set<UInt64> { Set(hint.chunks.flatMap { Array($0) }) }

    @Test(arguments: TestSeeds.all) func `positions are those of counting`(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<20 {
            let size = UInt64(Int.random(in: 1...20_000, using: &generator)) * 512
            let extents = randomExtents(size, &generator)
            let hint = try hint(extents, size: size)
            let count = (size + 65535) / 65536
            var touched: Set<UInt64> = []
            for extent in extents {
                touched.formUnion(extent.offset / 65536...(extent.end - 1) / 65536)
            }
            #expect(changed(hint) == touched, "seed \(seed)")
            let unchanged = (0..<count).filter { !touched.contains($0) }
            let found = unchanged.indices.map { hint.position(of: UInt64($0)) }
            #expect(found == unchanged, "seed \(seed)")
        }
    }

    @Test(arguments: [(10, 25), (25, 10), (10, 10), (0, 3), (16, 32)])
    func `what lies behind the smaller end counts as changed`(old: UInt64, new: UInt64) throws {
        // In sixteenths of a chunk and some.
        let unit: UInt64 = 65536 / 16
        let hint = try hint([], size: new * 3 * unit, oldSize: old * 3 * unit)
        let end = min(old, new) * 3
        let expected: Set<UInt64> =
            old == new || (new < old && end.isMultiple(of: 16))
            ? [] : Set(end / 16..<(new * 3 + 15) / 16)
        #expect(changed(hint) == expected)
    }

    @Test func `a hint of something else is refused`() throws {
        let some = [Extent(offset: 0, length: 512)]
        let refusals = [
            code { () throws(LifeboatError) in
                _ = try hint(some, size: 4096, base: Digest(9, 9, 9, 9).hex)
            },
            code { () throws(LifeboatError) in _ = try hint(some, size: 4096, base: "000000") },
            code { () throws(LifeboatError) in _ = try hint(some, size: 4096, volume: "other") },
            code { () throws(LifeboatError) in
                _ = try hint(
                    some, size: 4096, parent: point(id: base, volume: "other", size: 4096))
            },
            code { () throws(LifeboatError) in
                let path = folder.file("size")
                let content = ChangedExtentsText(
                    base: base.hex, volume: "disk", size: 8192, granularity: 512, extents: some)
                try Files.writeAtomically(path, Array(content.text.utf8))
                _ = try Hint(
                    path: path, volume: "disk", size: 4096,
                    parent: point(id: base, volume: "disk", size: 4096), chunkSize: 65536)
            },
            code { () throws(LifeboatError) in
                let path = folder.file("size")
                _ = try Hint(
                    path: path, volume: "disk", size: 8192, parent: nil, chunkSize: 65536)
            },
        ]
        #expect(refusals == [LifeboatError.Code?](repeating: .refused, count: 6))
        #expect(try hint(some, size: 4096, base: String(base.hex.prefix(12))).chunks == [0..<1])
    }
}
