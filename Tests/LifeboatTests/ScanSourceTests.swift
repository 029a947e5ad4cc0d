import LifeboatCore
import LifeboatSystem
import LifeboatTesting
import Testing

@testable import Lifeboat

@Suite struct ScanSourceTests {
    private let buffer = Buffer(capacity: 16)

    /// Reads all batches, and checks what holds of every one.
    private func batches(
        _ source: FileScanSource, chunkSize: UInt64, batchChunks: UInt64, _ note: Comment
    ) throws -> (read: Set<UInt64>, zero: Set<UInt64>, restIsZero: Set<Bool>) {
        var read: Set<UInt64> = []
        var zero: Set<UInt64> = []
        var rests: Set<Bool> = []
        var end: UInt64 = 0
        var number = 0
        let chunkCount = (source.size + chunkSize - 1) / chunkSize
        while let batch = try source.next(into: buffer, number: number) {
            #expect(batch.number == number, note)
            #expect(batch.first.isMultiple(of: batchChunks) && batch.first >= end, note)
            #expect(batch.count > 0 && UInt64(batch.count) <= batchChunks, note)
            end = batch.first + UInt64(batch.count)
            #expect(end <= chunkCount, note)
            let bytes = min(source.size, end * chunkSize) - batch.first * chunkSize
            #expect(batch.byteCount == Int(bytes), note)
            #expect(!batch.reads.isEmpty || !batch.zeros.isEmpty, note)
            var last = 0
            for range in batch.reads {
                #expect(range.lowerBound >= last && !range.isEmpty, note)
                last = range.upperBound
                for index in range { read.insert(batch.first + UInt64(index)) }
            }
            #expect(last <= batch.count, note)
            for index in batch.zeros.joined() {
                #expect(batch.findings[index] == .zero, note)
                zero.insert(batch.first + UInt64(index))
            }
            rests.insert(batch.restIsZero)
            number += 1
        }
        #expect(try source.next(into: buffer, number: number) == nil, note)
        return (read, zero, rests)
    }

    private func randomData(_ size: UInt64, _ generator: inout SeededGenerator) -> [Extent] {
        var extents: [Extent] = []
        var position: UInt64 = 0
        while position < size {
            let lengths: [UInt64] = [1, 4096, 65536, 70_000, 1 << 20, 9 << 20]
            let gaps: [UInt64] = [0, 1, 4096, 65536, 5 << 20, 300 << 20, 1 << 30]
            position += gaps.randomElement(using: &generator) ?? 0
            guard position < size else { break }
            let length = min(size - position, lengths.randomElement(using: &generator) ?? 1)
            extents.append(Extent(offset: position, length: length))
            position += length
        }
        return extents
    }

    @Test(arguments: TestSeeds.all) func `batches cover the data and nothing else`(
        seed: UInt64
    ) throws {
        var generator = SeededGenerator(seed: seed)
        for chunkSize: UInt64 in [16 << 10, 64 << 10, 4 << 20] {
            let sizes: [UInt64] = [0, 1, chunkSize, 10_000_001, 1 << 30, 3 << 30 + 77]
            for size in sizes {
                let note: Comment = "seed \(seed), chunks of \(chunkSize), size \(size)"
                let data = randomData(size, &generator)
                let batchChunks = max(1, (4 << 20) / chunkSize)
                let source = FileScanSource(
                    ExtentVolume(size: size, data: data), chunkSize: Int(chunkSize),
                    batchChunks: Int(batchChunks), changed: nil)
                let found = try batches(
                    source, chunkSize: chunkSize, batchChunks: batchChunks, note)
                var expected: Set<UInt64> = []
                for extent in data {
                    expected.formUnion(extent.offset / chunkSize...(extent.end - 1) / chunkSize)
                }
                #expect(found.read == expected, note)
                #expect(found.restIsZero.isSubset(of: [true]), note)
            }
        }
    }

    @Test(arguments: TestSeeds.all) func `batches of a hint cover what it names`(
        seed: UInt64
    ) throws {
        var generator = SeededGenerator(seed: seed)
        for round in 0..<20 {
            // Some are larger than the window that extents are asked for at a time.
            let chunkCount = UInt64(
                Int.random(in: 1...(round < 15 ? 2000 : 70_000), using: &generator))
            let size = chunkCount * 65536 - 5
            var changed: [Range<UInt64>] = []
            var position: UInt64 = 0
            while true {
                position += UInt64(
                    Int.random(in: changed.isEmpty ? 0...9 : 1...150, using: &generator))
                guard position < chunkCount else { break }
                let end = min(
                    chunkCount, position + UInt64(Int.random(in: 1...200, using: &generator)))
                changed.append(position..<end)
                position = end
            }
            let data = round == 0 ? [] : randomData(size, &generator)
            let source = FileScanSource(
                ExtentVolume(size: size, data: data), chunkSize: 65536, batchChunks: 64,
                changed: changed)
            let note: Comment = "seed \(seed), round \(round)"
            let found = try batches(source, chunkSize: 65536, batchChunks: 64, note)
            var touched: Set<UInt64> = []
            for extent in data {
                touched.formUnion(extent.offset / 65536...(extent.end - 1) / 65536)
            }
            let wanted = Set(changed.flatMap { Array($0) })
            // What is a hole is zero, and is not read; what did not change is left alone.
            #expect(found.read == wanted.intersection(touched), note)
            #expect(found.zero == wanted.subtracting(touched), note)
            #expect(found.restIsZero.isSubset(of: [false]), note)
        }
    }

    @Test func `extents become chunks, neighbours joined`() {
        let extents = [(0, 10), (20, 10), (100, 100), (200, 1), (350, 0), (399, 2)].map {
            Extent(offset: $0.0, length: $0.1)
        }
        #expect(FileScanSource.chunkRanges(extents, chunkSize: 100) == [0..<5])
        let apart = [Extent(offset: 100, length: 100), Extent(offset: 300, length: 1)]
        #expect(FileScanSource.chunkRanges(apart, chunkSize: 100) == [1..<2, 3..<4])
        let nested = [Extent(offset: 0, length: 500), Extent(offset: 100, length: 1)]
        #expect(FileScanSource.chunkRanges(nested, chunkSize: 100) == [0..<5])
    }
}
