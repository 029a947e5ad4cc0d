import LifeboatProtocol
import LifeboatTesting
import Testing

/// A log that grows, and whose older entries are deleted, while somebody looks for its end.
@Suite struct LogSearchTests {
    /// One log, of which only entries that are not deleted can be asked for.
    struct GrowingLog {
        var end: UInt64
        var cutoff: UInt64 = 0
        var shape = LogSearch.Shape.standard

        func isThere(_ sequence: UInt64) -> Bool {
            guard sequence >= 1, sequence <= end else { return false }
            return sequence > cutoff || LogSearch.isAnchor(sequence, cutoff: cutoff, shape: shape)
        }

        mutating func change(_ random: inout SeededGenerator) {
            let widths: [UInt64] =
                shape == .standard ? [1, 3, 20, 300, 5000, 70_000] : [1, 3, 20, 300]
            let width = widths[Int.random(in: 0..<widths.count, using: &random)]
            if Bool.random(using: &random) { end += .random(in: 0...width, using: &random) }
            if Bool.random(using: &random) {
                cutoff = max(cutoff, end - min(end, .random(in: 0...width, using: &random)))
            }
        }
    }

    @Test(arguments: shapes)
    func `the anchors are all entries that must stay`(shape: LogSearch.Shape) {
        for cutoff in Array(0...700) + [4095, 4096, 4097, 70_000] as [UInt64] {
            let expected = (1...max(1, cutoff)).filter {
                $0 <= cutoff && LogSearch.isAnchor($0, cutoff: cutoff, shape: shape)
            }
            #expect(LogSearch.anchors(cutoff: cutoff, shape: shape) == expected, "\(cutoff)")
        }
    }

    static let shapes = [LogSearch.Shape.standard, .init(bitsPerLevel: 2, levels: 4)]

    @Test(arguments: TestSeeds.all, shapes)
    func `the answer lies between the ends at the first and the last question`(
        seed: UInt64, shape: LogSearch.Shape
    ) {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<300 {
            var log = GrowingLog(end: UInt64.random(in: 0...400, using: &random), shape: shape)
            for _ in 0..<Int.random(in: 0...6, using: &random) { log.change(&random) }
            let known =
                Bool.random(using: &random) ? 0 : UInt64.random(in: 0...log.end, using: &random)
            let busy = Int.random(in: 0...3, using: &random)
            var search = LogSearch(from: known, shape: shape)
            let first = log.end
            var last = first
            var questions = 0
            while !search.isDone, questions < 100_000 {
                last = log.end
                search.answer(log.isThere(search.question))
                questions += 1
                if busy > 0, Int.random(in: 0..<4, using: &random) < busy, questions < 60 {
                    log.change(&random)
                }
            }
            #expect(search.isDone)
            #expect(search.end >= first && search.end <= last, "seed \(seed), known \(known)")
        }
    }

    @Test(arguments: TestSeeds.all, shapes)
    func `what may be deleted is all but the anchors`(seed: UInt64, shape: LogSearch.Shape) {
        var random = SeededGenerator(seed: seed)
        var present: Set<UInt64> = []
        var (earlier, end) = (0 as UInt64, 0 as UInt64)
        for _ in 0..<30 {
            let grown = end + .random(in: 1...700, using: &random)
            present.formUnion(end + 1...grown)
            end = grown
            let cutoff = UInt64.random(in: earlier...end, using: &random)
            present.subtract(LogSearch.deletable(after: earlier, upTo: cutoff, shape: shape))
            earlier = cutoff
            let expected = (1...end).filter {
                $0 > cutoff || LogSearch.isAnchor($0, cutoff: cutoff, shape: shape)
            }
            #expect(present == Set(expected), "seed \(seed)")
        }
    }
}
