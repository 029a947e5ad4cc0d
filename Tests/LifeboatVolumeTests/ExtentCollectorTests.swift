import LifeboatCore
import LifeboatTesting
import LifeboatVolume
import Testing

@Suite struct ExtentCollectorTests {
    @Test func `neighbours are joined, gaps stay`() {
        var collector = ExtentCollector()
        for (offset, length) in [(0, 10), (10, 5), (12, 1), (20, 5), (25, 0), (26, 1)] {
            collector.add(Extent(offset: UInt64(offset), length: UInt64(length)))
        }
        #expect(
            collector.extents == [
                Extent(offset: 0, length: 15), Extent(offset: 20, length: 5),
                Extent(offset: 26, length: 1),
            ])
    }

    @Test(arguments: TestSeeds.all) func `beyond the limit nothing is lost`(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var collector = ExtentCollector(limit: 100)
        var all: [Extent] = []
        var offset: UInt64 = 0
        for number in 0..<10_000 {
            // Fifty heaps, far from each other.
            let gap: UInt64 = number % 200 == 0 ? 100_000_000 : 50_000
            offset += UInt64.random(in: 1...gap, using: &generator)
            all.append(
                Extent(offset: offset, length: .random(in: 1...5000, using: &generator)))
            offset = all[all.count - 1].end
            collector.add(all[all.count - 1])
            #expect(collector.extents.count <= 100)
        }
        let found = collector.extents
        #expect(found.count > 20)
        for (left, right) in zip(found, found.dropFirst()) { #expect(left.end < right.offset) }
        for extent in all {
            #expect(found.contains { $0.offset <= extent.offset && extent.end <= $0.end })
        }
    }
}
