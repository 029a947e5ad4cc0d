import LifeboatCore
import LifeboatTesting
import Testing

@testable import Lifeboat

/// Partition tables as fdisk and others write them.
@Suite struct PartitionTableTests {
    private static let size: UInt64 = 1 << 30

    private static func table(_ sectors: [UInt64: [UInt8]]) throws(LifeboatError) -> PartitionTable
    {
        try PartitionTable(size: size) { offset, count throws(LifeboatError) in
            var bytes: [UInt8] = []
            while bytes.count < count {
                let sector = (offset + UInt64(bytes.count)) / 512
                bytes += sectors[sector] ?? [UInt8](repeating: 0, count: 512)
            }
            return Array(bytes[0..<count])
        }
    }

    private static func put(_ value: UInt64, _ count: Int, at offset: Int, in bytes: inout [UInt8])
    {
        for index in 0..<count { bytes[offset + index] = UInt8(value >> UInt64(8 * index) & 0xFF) }
    }

    private static func record(_ entries: [(kind: UInt8, start: UInt64, count: UInt64)]) -> [UInt8]
    {
        var bytes = [UInt8](repeating: 0, count: 512)
        for (index, entry) in entries.enumerated() {
            bytes[446 + 16 * index + 4] = entry.kind
            put(entry.start, 4, at: 446 + 16 * index + 8, in: &bytes)
            put(entry.count, 4, at: 446 + 16 * index + 12, in: &bytes)
        }
        (bytes[510], bytes[511]) = (0x55, 0xAA)
        return bytes
    }

    private static func extent(_ start: UInt64, _ count: UInt64) -> Extent {
        Extent(offset: start * 512, length: count * 512)
    }

    @Test func `primary and logical partitions are found`() throws {
        let table = try Self.table([
            0: Self.record([(0x83, 2048, 1000), (0x05, 10_000, 50_000)]),
            10_000: Self.record([(0x83, 100, 2000), (0x05, 5000, 3000)]),
            15_000: Self.record([(0x07, 63, 700)]),
        ])
        #expect(
            table.partitions == [
                .init(number: 1, extent: Self.extent(2048, 1000)),
                .init(number: 5, extent: Self.extent(10_100, 2000)),
                .init(number: 6, extent: Self.extent(15_063, 700)),
            ])
    }

    @Test func `a chain in a circle ends`() throws {
        let table = try Self.table([
            0: Self.record([(0x05, 10_000, 50_000)]),
            10_000: Self.record([(0x83, 100, 2000), (0x05, 5000, 3000)]),
            15_000: Self.record([(0x83, 63, 700), (0x05, 5000, 3000)]),
        ])
        #expect(table.partitions.count == 128)
    }

    @Test func `a GPT is read`() throws {
        var header = [UInt8](repeating: 0, count: 512)
        header.replaceSubrange(0..<8, with: Array("EFI PART".utf8))
        Self.put(2, 8, at: 72, in: &header)
        Self.put(128, 4, at: 80, in: &header)
        Self.put(128, 4, at: 84, in: &header)
        var entries = [UInt8](repeating: 0, count: 512)
        entries[0] = 1
        Self.put(2048, 8, at: 32, in: &entries)
        Self.put(4095, 8, at: 40, in: &entries)
        entries[256] = 1
        Self.put(8192, 8, at: 256 + 32, in: &entries)
        Self.put(UInt64.max - 1, 8, at: 256 + 40, in: &entries)
        let table = try Self.table([
            0: Self.record([(0xEE, 1, 0xFFFF_FFFF)]), 1: header, 2: entries,
        ])
        #expect(table.partitions == [.init(number: 1, extent: Self.extent(2048, 2048))])
    }

    @Test(arguments: TestSeeds.all)
    func `noise is no table, and never a trap`(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<50 {
            var sectors: [UInt64: [UInt8]] = [:]
            for sector in 0..<4 as Range<UInt64> {
                sectors[sector] = generator.bytes(512)
                sectors[sector]?[510] = 0x55
                sectors[sector]?[511] = 0xAA
                for index in 0..<4 { sectors[sector]?[446 + 16 * index] = 0 }
            }
            if Bool.random(using: &generator) {
                sectors[0]?[450] = 0xEE
                sectors[1]?.replaceSubrange(0..<8, with: Array("EFI PART".utf8))
            }
            for partition in try Self.table(sectors).partitions {
                #expect(partition.extent.end <= Self.size)
            }
        }
    }

    @Test func `file systems are known by their first bytes`() {
        var bytes = [UInt8](repeating: 0, count: 2048)
        #expect(PartitionTable.fileSystem(bytes) == nil)
        (bytes[0x438], bytes[0x439]) = (0x53, 0xEF)
        #expect(PartitionTable.fileSystem(bytes) == .ext)
        #expect(PartitionTable.fileSystem(Array("XFSB".utf8)) == .xfs)
        #expect(PartitionTable.fileSystem(Array("\u{1}\u{1}\u{1}NTFS    ".utf8)) == .ntfs)
        #expect(PartitionTable.fileSystem([]) == nil)
    }

    @Test func `listings of programs are read`() {
        let text = """
            total 17
            drwxr-xr-x  3 0 0  1024 Nov 22 00:50 .
            drwxr-xr-x 15 0 0  4096 Nov 22 00:52 ..
            -rw-r--r--  1 0 0    12 Nov 22  2024 a file  with spaces
            lrwxrwxrwx  1 0 0     5 Nov 22  2024 link -> a -> b
            """
        #expect(
            ApplianceReader.entries(text) == [
                FileEntry(name: "a file  with spaces", mode: "-rw-r--r--", size: 12),
                FileEntry(name: "link", mode: "lrwxrwxrwx", size: 5),
            ])
        #expect(FileMode.text(0o100644) == "-rw-r--r--")
        #expect(FileMode.text(0o041777) == "drwxrwxrwt")
        #expect(FileMode.text(0o104755) == "-rwsr-xr-x")
    }
}
