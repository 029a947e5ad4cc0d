import LifeboatCore

/// Where on a volume a file system lies.
struct FilePlace {
    var number: Int?
    var extent: Extent
    var fileSystem: PartitionTable.FileSystem

    static func find(
        _ volume: ServedVolume, partition: Int?
    ) throws(LifeboatError) -> FilePlace {
        func read(_ offset: UInt64, _ count: Int) throws(LifeboatError) -> [UInt8] {
            guard offset < volume.size else { return [] }
            let length = Int(min(UInt64(count), volume.size - offset))
            var bytes = [UInt8](repeating: 0, count: length)
            try bytes.withMutableBytes { raw throws(LifeboatError) in
                try volume.read(at: offset, into: raw)
            }
            return bytes
        }
        func system(_ offset: UInt64) throws(LifeboatError) -> PartitionTable.FileSystem? {
            PartitionTable.fileSystem(try read(offset, 2048))
        }
        let whole = Extent(offset: 0, length: volume.size)
        if partition == nil, let found = try system(0) {
            return FilePlace(number: nil, extent: whole, fileSystem: found)
        }
        let table = try PartitionTable(size: volume.size, read)
        var places: [FilePlace] = []
        for entry in table.partitions {
            guard let found = try system(entry.extent.offset) else { continue }
            places.append(
                FilePlace(number: entry.number, extent: entry.extent, fileSystem: found))
        }
        let told = places.map { "\($0.number ?? 0) (\($0.fileSystem.rawValue))" }
            .joined(separator: ", ")
        if let partition {
            if let place = places.first(where: { $0.number == partition }) { return place }
            throw LifeboatError(
                .missing, "volume \(volume.name) has no partition \(partition) that can be read",
                subject: volume.name, advice: told.isEmpty ? nil : "there are: \(told)")
        }
        guard let place = places.first else {
            throw LifeboatError(
                .unsupported, "there is no ext, XFS or NTFS file system on volume \(volume.name)",
                subject: volume.name, advice: "lifeboat mount shows the whole volume as a file")
        }
        guard places.count == 1 else {
            throw LifeboatError(
                .usage, "volume \(volume.name) has several partitions with file systems",
                subject: volume.name, advice: "name one with --partition: \(told)")
        }
        return place
    }
}
