import LifeboatCore

/// Where the partitions of a disk lie, and what file systems are there.
struct PartitionTable: Sendable {
    /// A partition, numbered as Linux does.
    struct Partition: Sendable, Hashable {
        var number: Int
        var extent: Extent
    }

    /// File systems that are known by their first bytes.
    enum FileSystem: String, Sendable {
        case ext, xfs, ntfs
    }

    /// Reads so many bytes at an offset; fewer at the end.
    typealias Reader = (UInt64, Int) throws(LifeboatError) -> [UInt8]

    private static let sector: UInt64 = 512
    /// No disk has more logical partitions, unless its chain goes in a circle.
    private static let logicalLimit = 128

    private(set) var partitions: [Partition] = []

    /// Reads the table of a disk of this size; without one there are no partitions.
    init(size: UInt64, _ read: Reader) throws(LifeboatError) {
        let first = try read(0, 512)
        guard Self.isRecord(first) else { return }
        let entries = Self.entries(first)
        if entries.contains(where: { $0.kind == 0xEE }) {
            for sector in [UInt64(512), 4096] {
                if try readGlobal(sector, size, read) { return }
            }
            return
        }
        for (index, entry) in entries.enumerated() where entry.kind != 0 && entry.count > 0 {
            if [0x05, 0x0F, 0x85].contains(entry.kind) {
                try readLogical(entry.start, size, read)
            } else {
                add(index + 1, entry.start, entry.count, Self.sector, size)
            }
        }
        partitions.sort { $0.number < $1.number }
    }

    private mutating func add(
        _ number: Int, _ start: UInt64, _ count: UInt64, _ sector: UInt64, _ size: UInt64
    ) {
        let (offset, isHuge) = start.multipliedReportingOverflow(by: sector)
        let (length, isLong) = count.multipliedReportingOverflow(by: sector)
        guard !isHuge, !isLong, offset < size, length > 0 else { return }
        partitions.append(
            Partition(
                number: number,
                extent: Extent(offset: offset, length: min(length, size - offset))))
    }

    private static func isRecord(_ bytes: [UInt8]) -> Bool {
        guard bytes.count == 512, bytes[510] == 0x55, bytes[511] == 0xAA else { return false }
        // The boot sector of a file system ends like this too, but its flags are not these.
        return (0..<4).allSatisfy { [0, 0x80].contains(bytes[446 + 16 * $0]) }
            && (0..<4).contains { bytes[446 + 16 * $0 + 4] != 0 }
            && fileSystem(bytes) == nil
    }

    private static func entries(
        _ bytes: [UInt8]
    ) -> [(kind: UInt8, start: UInt64, count: UInt64)] {
        (0..<4).map { index in
            let base = 446 + 16 * index
            return (
                bytes[base + 4], number(bytes, base + 8, 4), number(bytes, base + 12, 4)
            )
        }
    }

    private static func number(_ bytes: [UInt8], _ offset: Int, _ count: Int) -> UInt64 {
        (0..<count).reduce(0) { $0 | UInt64(bytes[offset + $1]) << UInt64(8 * $1) }
    }

    /// Logical partitions are a chain, each link relative to the extended partition.
    private mutating func readLogical(
        _ base: UInt64, _ size: UInt64, _ read: Reader
    ) throws(LifeboatError) {
        var link = base
        for number in 5..<5 + Self.logicalLimit {
            let bytes = try read(link * Self.sector, 512)
            guard bytes.count == 512, bytes[510] == 0x55, bytes[511] == 0xAA else { return }
            let entries = Self.entries(bytes)
            if entries[0].kind != 0 {
                add(number, link + entries[0].start, entries[0].count, Self.sector, size)
            }
            guard entries[1].kind != 0, entries[1].start > 0 else { return }
            link = base + entries[1].start
        }
    }

    private mutating func readGlobal(
        _ sector: UInt64, _ size: UInt64, _ read: Reader
    ) throws(LifeboatError) -> Bool {
        let header = try read(sector, 512)
        guard header.count == 512, header.starts(with: Array("EFI PART".utf8)) else {
            return false
        }
        let start = Self.number(header, 72, 8)
        let count = Int(min(1024, Self.number(header, 80, 4)))
        let length = Int(Self.number(header, 84, 4))
        guard start < size / sector, (128...4096).contains(length) else { return false }
        let table = try read(start * sector, count * length)
        for index in 0..<table.count / length {
            let base = index * length
            guard table[base..<base + 16].contains(where: { $0 != 0 }) else { continue }
            let first = Self.number(table, base + 32, 8)
            let last = Self.number(table, base + 40, 8)
            guard last >= first, last < UInt64.max else { continue }
            add(index + 1, first, last - first + 1, sector, size)
        }
        return true
    }

    /// The file system that begins with these bytes, as far as it is known.
    static func fileSystem(_ bytes: [UInt8]) -> FileSystem? {
        if bytes.starts(with: Array("XFSB".utf8)) { return .xfs }
        if bytes.count >= 11, bytes[3..<11].elementsEqual("NTFS    ".utf8) { return .ntfs }
        if bytes.count >= 0x43A, bytes[0x438] == 0x53, bytes[0x439] == 0xEF { return .ext }
        return nil
    }
}
