import LifeboatCore
import LifeboatFormat
import LifeboatSystem

/// All entries of an index in one ascending row, with a mark for each id that somebody needs.
///
/// Made of local files, mapped into memory: what it takes of the heap is a bit an entry.
/// Used by one thread at a time.
final class Liveness {
    private struct Run {
        let map: MappedFile
        let shape: IndexTableShape
        let first: Digest
        let last: Digest
        /// By the run's number of a pack, its number here.
        let packs: [UInt32]
    }

    private let directory: String
    private var runs: [Run] = []
    private var marks: [[UInt64]] = []
    private var numbering = PackNumbering()

    /// Every pack that the index names; positions are the numbers that `groups` tells.
    var packs: [Digest] { numbering.packs }

    /// Merges `sources` into files below `directory`, which is made, and removed in the end.
    ///
    /// `believing`: whether what a run says of a pack counts.
    init(
        _ sources: [IndexRun], believing: (Digest, Digest) -> Bool, directory: String
    ) throws(LifeboatError) {
        self.directory = directory
        try Files.makeDirectories(directory)
        try IndexMerge.merge(sources, level: 0, without: { !believing($0, $1) }) {
            plain
                throws(LifeboatError) in
            let path = directory + "/\(runs.count)"
            let file = try File(path: path, access: .createNew)
            try plain.withBytes { raw throws(LifeboatError) in try file.append(raw) }
            try add(try MappedFile(path), path)
        }
    }

    deinit { try? Files.removeTree(directory) }

    private func add(_ map: MappedFile, _ path: String) throws(LifeboatError) {
        let head = Array(map.bytes.prefix(IndexRunLayout.tableHeaderByteCount))
        let shape = try IndexTableShape(
            decoding: head, available: UInt64(map.bytes.count), subject: path)
        let packs = (0..<Int(shape.packCount)).map { index in
            numbering.number(Digest(loading: map.bytes, at: shape.packsOffset + 32 * index))
        }
        let count = Int(shape.entryCount)
        runs.append(
            Run(
                map: map, shape: shape, first: Self.id(map, shape, 0),
                last: Self.id(map, shape, count - 1), packs: packs))
        marks.append([UInt64](repeating: 0, count: (count + 63) / 64))
    }

    private static func id(_ map: MappedFile, _ shape: IndexTableShape, _ index: Int) -> Digest {
        Digest(
            loading: map.bytes,
            at: shape.entriesOffset + index * IndexRunLayout.entryByteCount)
    }

    /// Marks an id as needed; `nil` when the index does not know it, else whether that is new.
    func mark(_ id: Digest) -> Bool? {
        guard let (run, entry) = position(id) else { return nil }
        let bit: UInt64 = 1 << UInt64(entry & 63)
        guard marks[run][entry >> 6] & bit == 0 else { return false }
        marks[run][entry >> 6] |= bit
        return true
    }

    /// Whether an id is marked.
    func isMarked(_ id: Digest) -> Bool {
        guard let (run, entry) = position(id) else { return false }
        return marks[run][entry >> 6] & (1 << UInt64(entry & 63)) != 0
    }

    /// The first entry with this id.
    private func position(_ id: Digest) -> (run: Int, entry: Int)? {
        var low = 0
        var high = runs.count
        while low < high {
            let middle = (low + high) / 2
            if runs[middle].last < id { low = middle + 1 } else { high = middle }
        }
        guard low < runs.count, runs[low].first <= id else { return nil }
        let run = runs[low]
        guard let bucket = run.shape.bucket(of: id) else { return nil }
        func end(_ bucket: Int) -> Int {
            bucket < 0
                ? 0
                : Int(
                    LittleEndian.load(
                        UInt64.self, from: run.map.bytes, at: run.shape.fanOutOffset + 8 * bucket))
        }
        var first = end(bucket - 1)
        var last = end(bucket)
        while first < last {
            let middle = (first + last) / 2
            if Self.id(run.map, run.shape, middle) < id {
                first = middle + 1
            } else {
                last = middle
            }
        }
        guard first < Int(run.shape.entryCount), Self.id(run.map, run.shape, first) == id else {
            return nil
        }
        return (low, first)
    }

    /// Tells for each id, in ascending order, the numbers of the packs that have it, and whether
    /// it is marked.
    func groups(
        _ body: (Digest, ArraySlice<UInt32>, Bool) throws(LifeboatError) -> Void
    ) throws(LifeboatError) {
        var copies: [UInt32] = []
        var current: Digest?
        var isMarked = false
        for (number, run) in runs.enumerated() {
            for index in 0..<Int(run.shape.entryCount) {
                let place = run.shape.entriesOffset + index * IndexRunLayout.entryByteCount
                let id = Digest(loading: run.map.bytes, at: place)
                if id != current {
                    if let current { try body(current, copies[...], isMarked) }
                    current = id
                    copies.removeAll(keepingCapacity: true)
                    isMarked = marks[number][index >> 6] & (1 << UInt64(index & 63)) != 0
                }
                let pack = LittleEndian.load(UInt32.self, from: run.map.bytes, at: place + 32)
                guard Int(pack) < run.packs.count else {
                    throw LifeboatError(.damaged, "an index entry names no pack")
                }
                copies.append(run.packs[Int(pack)])
            }
        }
        if let current { try body(current, copies[...], isMarked) }
    }

    /// The numbers of the packs that have `id`.
    func copies(_ id: Digest) -> [UInt32] {
        guard var (run, entry) = position(id) else { return [] }
        var result: [UInt32] = []
        while run < runs.count {
            while entry < Int(runs[run].shape.entryCount) {
                guard Self.id(runs[run].map, runs[run].shape, entry) == id else { return result }
                let place =
                    runs[run].shape.entriesOffset + entry * IndexRunLayout.entryByteCount
                let pack = LittleEndian.load(UInt32.self, from: runs[run].map.bytes, at: place + 32)
                if Int(pack) < runs[run].packs.count { result.append(runs[run].packs[Int(pack)]) }
                entry += 1
            }
            run += 1
            entry = 0
        }
        return result
    }
}
