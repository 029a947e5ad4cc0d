import LifeboatCore
import LifeboatFormat

/// Lays out the plain table of an index run.
///
/// Source: formats/index.md.
enum IndexTable {
    /// The plain bytes of a run, padded to their size class.
    ///
    /// `entries`: 1 to `IndexRunLayout.entryLimit`, ascending by id, packs by index in `packs`.
    static func encode(
        _ entries: [IndexEntry], packs: [Digest], level: Int
    ) -> [UInt8] {
        precondition(!entries.isEmpty && entries.count <= IndexRunLayout.entryLimit)
        let shape = IndexTableShape(
            entryCount: UInt64(entries.count), packCount: UInt32(packs.count), level: level,
            first: entries[0].id.word0, last: entries[entries.count - 1].id.word0)
        var bytes = [UInt8](repeating: 0, count: SizeClass.padded(shape.byteCount))
        bytes.withUnsafeMutableBytes { raw in
            raw.copyBytes(from: shape.encoded)
            for (index, pack) in packs.enumerated() {
                pack.store(into: raw, at: shape.packsOffset + 32 * index)
            }
            var ends = [UInt64](repeating: 0, count: shape.fanOutCount)
            for entry in entries { ends[shape.bucket(of: entry.id) ?? 0] += 1 }
            var sum: UInt64 = 0
            for index in ends.indices {
                sum += ends[index]
                raw.storeBytes(
                    of: sum.littleEndian, toByteOffset: shape.fanOutOffset + 8 * index,
                    as: UInt64.self)
            }
            var position = shape.entriesOffset
            for entry in entries {
                store(entry, into: raw, at: position)
                position += IndexRunLayout.entryByteCount
            }
        }
        return bytes
    }

    static func store(
        _ entry: IndexEntry, into raw: UnsafeMutableRawBufferPointer, at position: Int
    ) {
        entry.id.store(into: raw, at: position)
        raw.storeBytes(
            of: entry.pack.littleEndian, toByteOffset: position + 32, as: UInt32.self)
        raw.storeBytes(
            of: entry.frame.littleEndian, toByteOffset: position + 36, as: UInt16.self)
        raw.storeBytes(
            of: entry.slot.littleEndian, toByteOffset: position + 38, as: UInt16.self)
    }

    static func load(_ raw: UnsafeRawBufferPointer, at position: Int) -> IndexEntry {
        IndexEntry(
            id: Digest(loading: raw, at: position),
            pack: LittleEndian.load(UInt32.self, from: raw, at: position + 32),
            frame: LittleEndian.load(UInt16.self, from: raw, at: position + 36),
            slot: LittleEndian.load(UInt16.self, from: raw, at: position + 38))
    }
}
