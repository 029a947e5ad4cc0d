import LifeboatCore
import LifeboatFormat

/// Merges sorted runs into runs of neighbouring ids, with bounded memory.
enum IndexMerge {
    /// Runs over the same ids that are let be before they are merged: look-ups stay few, and an
    /// entry is written again once for each factor of eight by which the index grows.
    static let depthLimit = 8

    /// The runs of the lowest level that lie too deep over each other; empty when none do.
    static func due(_ runs: [IndexRun]) -> [IndexRun] {
        for level in Set(runs.map(\.shape.level)).sorted() {
            let candidates = runs.filter { $0.shape.level == level }
            if depth(candidates) >= depthLimit { return candidates }
        }
        return []
    }

    /// How many runs cover the id that most runs cover.
    static func depth(_ runs: [IndexRun]) -> Int {
        var events = runs.map { ($0.first, 1) } + runs.map { ($0.last, -1) }
        events.sort { $0.0 != $1.0 ? $0.0 < $1.0 : $0.1 > $1.1 }
        var depth = 0
        var deepest = 0
        for (_, step) in events {
            depth += step
            deepest = max(deepest, depth)
        }
        return deepest
    }

    /// Merges `runs`; `emit` gets the plain table of each run of the result, in order of id.
    ///
    /// Memory is that of one run of the result, and of a piece of each run that reaches as far: a
    /// run is begun when its first id is due, and names of packs are read as entries name them.
    ///
    /// `isGone`: by run, packs whose entries are left out.
    static func merge(
        _ runs: [IndexRun], level: Int,
        without isGone: (Digest, Digest) -> Bool = { _, _ in false },
        emit: ([UInt8]) throws(LifeboatError) -> Void
    ) throws(LifeboatError) {
        var waiting = runs.sorted { $0.first > $1.first }
        var sources: [MergeSource] = []
        var output = PackNumbering()
        var entries: [IndexEntry] = []
        // Growing by doubling would hold half as much again for a while.
        let total = runs.reduce(UInt64(0)) { $0 + $1.shape.entryCount }
        entries.reserveCapacity(Int(min(total, UInt64(IndexRunLayout.entryLimit))))
        func flush() throws(LifeboatError) {
            guard !entries.isEmpty else { return }
            try emit(IndexTable.encode(entries, packs: output.packs, level: level))
            entries.removeAll(keepingCapacity: true)
            output = PackNumbering()
            for index in sources.indices { sources[index].forgetNumbers() }
        }
        while true {
            var best = smallest(sources)
            while let next = waiting.last, best.map({ next.first <= sources[$0].id }) ?? true {
                waiting.removeLast()
                sources.append(try MergeSource(next))
                best = smallest(sources)
            }
            guard let best else { break }
            let entry = try sources[best].next(&output, isGone)
            if sources[best].isAtEnd { sources.remove(at: best) }
            if let entry, entry != entries.last { entries.append(entry) }
            if entries.count == IndexRunLayout.entryLimit { try flush() }
        }
        try flush()
    }

    private static func smallest(_ sources: [MergeSource]) -> Int? {
        sources.indices.min { sources[$0].id < sources[$1].id }
    }
}

/// A run that is being merged, and the numbers that its packs have in the result.
private struct MergeSource {
    private let run: IndexRun
    private var cursor: IndexRunCursor
    /// By the run's own number; empty where a pack has not been named yet.
    private var numbers: [UInt32: UInt32] = [:]
    private var gone: Set<UInt32> = []
    /// The id of the entry that comes next; the last one's at the end.
    private(set) var id: Digest
    private(set) var isAtEnd = false

    init(_ run: IndexRun) throws(LifeboatError) {
        self.run = run
        cursor = try IndexRunCursor(run)
        id = run.first
    }

    /// Takes the next entry, with its pack's number in `output`; `nil` when its pack is gone.
    mutating func next(
        _ output: inout PackNumbering, _ isGone: (Digest, Digest) -> Bool
    ) throws(LifeboatError) -> IndexEntry? {
        guard var entry = cursor.entry else {
            throw LifeboatError(.damaged, "an index run ends early")
        }
        let number = try number(entry.pack, &output, isGone)
        try cursor.advance()
        if let next = cursor.entry { id = next.id } else { isAtEnd = true }
        guard let number else { return nil }
        entry.pack = number
        return entry
    }

    /// The number in `output` of a pack of this run; `nil` when the pack is gone.
    private mutating func number(
        _ index: UInt32, _ output: inout PackNumbering, _ isGone: (Digest, Digest) -> Bool
    ) throws(LifeboatError) -> UInt32? {
        if gone.contains(index) { return nil }
        if let number = numbers[index] { return number }
        let pack = try run.pack(index)
        guard !isGone(run.name, pack) else {
            gone.insert(index)
            return nil
        }
        let number = output.number(pack)
        numbers[index] = number
        return number
    }

    mutating func forgetNumbers() { numbers.removeAll(keepingCapacity: true) }
}

/// Gives packs numbers in the order in which they are first named.
struct PackNumbering {
    private(set) var packs: [Digest] = []
    private var numbers: [Digest: UInt32] = [:]

    mutating func number(_ pack: Digest) -> UInt32 {
        if let number = numbers[pack] { return number }
        let number = UInt32(packs.count)
        numbers[pack] = number
        packs.append(pack)
        return number
    }
}
