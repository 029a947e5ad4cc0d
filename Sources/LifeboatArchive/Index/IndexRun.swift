public import LifeboatCore
import LifeboatFormat
import LifeboatSystem

/// One sorted run of the index, read from a local file with its plain table.
///
/// Immutable and safe from many threads. Memory: the names of its packs are read on demand.
public final class IndexRun: Sendable {
    /// The object it came from; for a run of the running session, a random name.
    public let name: Digest
    let shape: IndexTableShape
    private let file: File
    /// The largest id.
    let last: Digest
    let first: Digest

    /// Opens a plain table file.
    ///
    /// `locks`: tells others that the file is in use, though nothing names it.
    init(_ name: Digest, path: String, locks: Bool = false) throws(LifeboatError) {
        self.name = name
        file = try File(path: path, access: .read)
        if locks { _ = try? file.lock(exclusive: false, wait: false) }
        let size = try file.size()
        var head = [UInt8](repeating: 0, count: IndexRunLayout.tableHeaderByteCount)
        try Self.fill(file, &head, at: 0)
        shape = try IndexTableShape(decoding: head, available: size, subject: path)
        var ends = [UInt8](repeating: 0, count: IndexRunLayout.entryByteCount)
        try Self.fill(file, &ends, at: shape.entriesOffset)
        first = ends.withUnsafeBytes { Digest(loading: $0) }
        try Self.fill(
            file, &ends,
            at: shape.entriesOffset
                + (Int(shape.entryCount) - 1) * IndexRunLayout.entryByteCount)
        last = ends.withUnsafeBytes { Digest(loading: $0) }
    }

    private static func fill(
        _ file: File, _ bytes: inout [UInt8], at offset: Int
    ) throws(LifeboatError) {
        var got = 0
        try bytes.withMutableBytes { raw throws(LifeboatError) in
            got = try file.read(at: UInt64(offset), into: raw)
        }
        guard got == bytes.count else {
            throw LifeboatError(
                .damaged, "the cached index run ends early", subject: file.path,
                advice: "run: lifeboat cache clean")
        }
    }

    /// The name of the pack with this index.
    func pack(_ index: UInt32) throws(LifeboatError) -> Digest {
        guard index < shape.packCount else {
            throw LifeboatError(
                .damaged, "an entry names pack \(index) of \(shape.packCount)", subject: file.path)
        }
        var bytes = [UInt8](repeating: 0, count: 32)
        try Self.fill(file, &bytes, at: shape.packsOffset + 32 * Int(index))
        return bytes.withUnsafeBytes { Digest(loading: $0) }
    }

    /// The names of all its packs, in the order of their indices.
    func packs() throws(LifeboatError) -> [Digest] {
        var bytes = [UInt8](repeating: 0, count: 32 * Int(shape.packCount))
        try Self.fill(file, &bytes, at: shape.packsOffset)
        return bytes.withUnsafeBytes { raw in
            (0..<Int(shape.packCount)).map { Digest(loading: raw, at: 32 * $0) }
        }
    }

    /// Whether `id` could lie in this run at all.
    func covers(_ id: Digest) -> Bool { first <= id && id <= last }

    /// Calls `body` for every entry with this id, until it returns false.
    func find(
        _ id: Digest, _ body: (IndexEntry) throws(LifeboatError) -> Bool
    ) throws(LifeboatError) {
        guard covers(id), let bucket = shape.bucket(of: id) else { return }
        var (low, high) = try bounds(bucket)
        // A bucket has about 64 entries; hostile or very uneven ids are halved first.
        while high - low > 256 {
            let middle = (low + high) / 2
            if try entries(middle, 1)[0].id < id { low = middle + 1 } else { high = middle }
        }
        // Equal ids may reach beyond the piece: go on as long as they match.
        high = try bounds(bucket).1
        while low < high {
            let piece = try entries(low, Int(min(high - low, 256)))
            for entry in piece where entry.id >= id {
                guard entry.id == id, try body(entry) else { return }
            }
            low += UInt64(piece.count)
        }
    }

    private func bounds(_ bucket: Int) throws(LifeboatError) -> (UInt64, UInt64) {
        let isFirst = bucket == 0
        var bytes = [UInt8](repeating: 0, count: isFirst ? 8 : 16)
        try Self.fill(file, &bytes, at: shape.fanOutOffset + 8 * (isFirst ? 0 : bucket - 1))
        let low = isFirst ? 0 : LittleEndian.load(UInt64.self, from: bytes, at: 0)
        let high = LittleEndian.load(UInt64.self, from: bytes, at: isFirst ? 0 : 8)
        guard low <= high, high <= shape.entryCount else {
            throw LifeboatError(
                .damaged, "the fan-out of the cached index run is not ascending",
                subject: file.path, advice: "run: lifeboat cache clean")
        }
        return (low, high)
    }

    /// Reads `count` entries from the one with index `start`.
    func entries(_ start: UInt64, _ count: Int) throws(LifeboatError) -> [IndexEntry] {
        guard count > 0 else { return [] }
        let stride = IndexRunLayout.entryByteCount
        return try withUnsafeTemporaryAllocation(byteCount: count * stride, alignment: 16) {
            raw throws(LifeboatError) -> [IndexEntry] in
            let got = try file.read(
                at: UInt64(shape.entriesOffset) + start * UInt64(stride), into: raw)
            guard got == raw.count else {
                throw LifeboatError(
                    .damaged, "the cached index run ends early", subject: file.path,
                    advice: "run: lifeboat cache clean")
            }
            let bytes = UnsafeRawBufferPointer(raw)
            return (0..<count).map { IndexTable.load(bytes, at: $0 * stride) }
        }
    }
}

/// Reads a run from its beginning to its end, a piece at a time.
struct IndexRunCursor {
    private let run: IndexRun
    private var next: UInt64 = 0
    private var piece: [IndexEntry] = []
    private var position = 0

    static let pieceCount = 1024

    init(_ run: IndexRun) throws(LifeboatError) {
        self.run = run
        try refill()
    }

    /// The entry at hand; `nil` at the end.
    var entry: IndexEntry? { position < piece.count ? piece[position] : nil }

    mutating func advance() throws(LifeboatError) {
        position += 1
        if position == piece.count { try refill() }
    }

    private mutating func refill() throws(LifeboatError) {
        let count = min(UInt64(Self.pieceCount), run.shape.entryCount - next)
        piece = try run.entries(next, Int(count))
        next += count
        position = 0
    }
}
