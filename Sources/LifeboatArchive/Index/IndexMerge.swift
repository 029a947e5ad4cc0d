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
    static func merge(
        _ runs: [IndexRun], level: Int, emit: ([UInt8]) throws(LifeboatError) -> Void
    ) throws(LifeboatError) {
        var output = PackNumbering()
        var tables: [[Digest]] = []
        for run in runs { tables.append(try run.packs()) }
        var cursors: [IndexRunCursor] = []
        for run in runs { cursors.append(try IndexRunCursor(run)) }
        var entries: [IndexEntry] = []
        func flush() throws(LifeboatError) {
            guard !entries.isEmpty else { return }
            try emit(IndexTable.encode(entries, packs: output.packs, level: level))
            entries.removeAll(keepingCapacity: true)
            output = PackNumbering()
        }
        while let source = smallest(cursors) {
            guard var entry = cursors[source].entry else { break }
            guard Int(entry.pack) < tables[source].count else {
                throw LifeboatError(.damaged, "an index run names a pack that it does not list")
            }
            entry.pack = output.number(tables[source][Int(entry.pack)])
            if entry != entries.last { entries.append(entry) }
            try cursors[source].advance()
            if entries.count == IndexRunLayout.entryLimit { try flush() }
        }
        try flush()
    }

    private static func smallest(_ cursors: [IndexRunCursor]) -> Int? {
        var best: (index: Int, id: Digest)?
        for index in cursors.indices {
            guard let id = cursors[index].entry?.id else { continue }
            if let current = best, current.id <= id { continue }
            best = (index, id)
        }
        return best?.index
    }
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
