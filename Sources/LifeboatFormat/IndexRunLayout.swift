public import LifeboatCore

/// Where a chunk or node lies.
@frozen
public struct IndexEntry: Hashable, Sendable {
    public var id: Digest
    /// Index into the run's table of packs.
    public var pack: UInt32
    /// Index of the frame in the pack's directory.
    public var frame: UInt16
    /// Index of the slot in the frame.
    public var slot: UInt16

    @inlinable
    public init(id: Digest, pack: UInt32, frame: UInt16, slot: UInt16) {
        self.id = id
        self.pack = pack
        self.frame = frame
        self.slot = slot
    }
}

/// The parts of an index run.
///
/// Source: formats/index.md.
///
/// A run is a clear header, sealed blocks of 64 KiB, and a signature. Put together, the plain
/// blocks are: table header (32 bytes), packs (32 each), fan-out (8 each), entries (40 each) in
/// ascending order of id, zeros up to the size class.
public enum IndexRunLayout {
    /// Prefix (8), repository (16), domain (16), writer (16), salt (32).
    public static let headerByteCount = 88
    public static let blockByteCount = 65536
    public static let sealedBlockByteCount = blockByteCount + 16
    public static let signatureByteCount = 64
    public static let entryByteCount = 40
    public static let tableHeaderByteCount = 32
    public static let blockLabel = "lifeboat index run"
    /// No run has more entries: a merge cuts its result into runs of neighbouring ids.
    public static let entryLimit = 1 << 18

    public static func header(
        repository: Identifier, domain: Identifier, writer: Identifier, salt: [UInt8]
    ) -> [UInt8] {
        ObjectKind.indexRun.prefix() + repository.bytes + domain.bytes + writer.bytes + salt
    }

    /// What each block's seal authenticates: the header, and whether the block is the last.
    public static func blockAssociatedData(header: [UInt8], isLast: Bool) -> [UInt8] {
        header + [isLast ? 1 : 0]
    }

    /// The number of leading id bits that select a bucket: about 64 entries a bucket.
    public static func fanOutBits(entryCount: UInt64) -> Int {
        var bits = 0
        while bits < 24, entryCount >> UInt64(bits) > 64 { bits += 1 }
        return bits
    }
}

/// The header of a run's plain table, and where its parts begin.
public struct IndexTableShape: Sendable, Hashable {
    public let entryCount: UInt64
    public let packCount: UInt32
    public let fanOutBits: Int
    /// How often what the run holds has been merged; new runs have level 0.
    public let level: Int
    /// The first eight bytes of the smallest id, as a big-endian number.
    public let base: UInt64
    /// How far the distance from `base` can be shifted left in all entries.
    public let shift: Int

    /// The shape of a run whose smallest and largest ids begin with `first` and `last`.
    public init(entryCount: UInt64, packCount: UInt32, level: Int, first: UInt64, last: UInt64) {
        self.entryCount = entryCount
        self.packCount = packCount
        self.level = level
        fanOutBits = IndexRunLayout.fanOutBits(entryCount: entryCount)
        base = first
        shift = last == first ? 63 : (last - first).leadingZeroBitCount
    }

    public var packsOffset: Int { IndexRunLayout.tableHeaderByteCount }
    public var fanOutOffset: Int { packsOffset + 32 * Int(packCount) }
    /// The fan-out holds, for each bucket, how many entries lie before its end.
    public var fanOutCount: Int { 1 << fanOutBits }
    public var entriesOffset: Int { fanOutOffset + 8 * fanOutCount }
    /// Bytes without padding.
    public var byteCount: Int {
        entriesOffset + Int(entryCount) * IndexRunLayout.entryByteCount
    }

    /// The bucket of an id; `nil` when the id lies before or behind all entries.
    public func bucket(of id: Digest) -> Int? {
        guard id.word0 >= base else { return nil }
        let distance = id.word0 - base
        guard distance.leadingZeroBitCount >= shift else { return nil }
        return fanOutBits == 0 ? 0 : Int((distance << UInt64(shift)) >> UInt64(64 - fanOutBits))
    }

    /// Entry count (8), pack count (4), fan-out bits (1), level (1), shift (1), zero (1),
    /// base (8), zeros (8).
    public var encoded: [UInt8] {
        var bytes: [UInt8] = []
        LittleEndian.append(entryCount, to: &bytes)
        LittleEndian.append(packCount, to: &bytes)
        bytes += [UInt8(fanOutBits), UInt8(level), UInt8(shift), 0]
        LittleEndian.append(base, to: &bytes)
        LittleEndian.append(UInt64(0), to: &bytes)
        return bytes
    }

    /// Decodes the table header of a run whose plain bytes are `available` long.
    public init(
        decoding bytes: [UInt8], available: UInt64, subject: String
    ) throws(LifeboatError) {
        guard bytes.count >= IndexRunLayout.tableHeaderByteCount else {
            throw LifeboatError(
                .damaged, "\(subject) ends inside its table header", subject: subject)
        }
        entryCount = LittleEndian.load(UInt64.self, from: bytes, at: 0)
        packCount = LittleEndian.load(UInt32.self, from: bytes, at: 8)
        fanOutBits = IndexRunLayout.fanOutBits(entryCount: entryCount)
        level = Int(bytes[13])
        shift = Int(bytes[14])
        base = LittleEndian.load(UInt64.self, from: bytes, at: 16)
        guard entryCount > 0, entryCount <= UInt64(IndexRunLayout.entryLimit),
            Int(bytes[12]) == fanOutBits, shift < 64, bytes[15] == 0,
            bytes[24..<32].allSatisfy({ $0 == 0 }), UInt64(packCount) <= available / 32,
            UInt64(byteCount) <= available
        else {
            throw LifeboatError(.damaged, "\(subject) has an impossible table", subject: subject)
        }
    }
}
