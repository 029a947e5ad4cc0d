import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatSystem

/// What a session has stored so far: in memory up to a bound, then in local runs.
///
/// The session guards it.
final class SessionIndex {
    /// Entries in memory: 5 MB, and as much again for the set of their ids.
    static let spillCount = 1 << 17

    private let directory: String
    private var numbering = PackNumbering()
    private var entries: [IndexEntry] = []
    private var ids: Set<Digest> = []
    private(set) var runs: [IndexRun] = []
    private var paths: [Digest: String] = [:]
    /// Everything ever added, whether still in memory or not.
    private(set) var packs: [Digest] = []

    init(_ directories: LocalDirectories) {
        directory = directories.sessions
    }

    deinit {
        for path in paths.values { try? Files.remove(path) }
    }

    /// Unlinks the runs' files now; who has them open reads on.
    func leaveFilesOpen() {
        for path in paths.values { try? Files.remove(path) }
        paths.removeAll()
    }

    func add(_ pack: Digest, _ directory: PackDirectory) throws(LifeboatError) {
        packs.append(pack)
        // A merged table may name many packs; one in memory names those since the last spill.
        var number = numbering.number(pack)
        for (frame, _) in directory.frames.enumerated() {
            let first = directory.firstSlots[frame]
            for slot in first..<directory.firstSlots[frame + 1] {
                let id = directory.slots[slot].id
                entries.append(
                    IndexEntry(
                        id: id, pack: number, frame: UInt16(frame), slot: UInt16(slot - first)))
                ids.insert(id)
                if entries.count == IndexRunLayout.entryLimit {
                    try spill()
                    number = numbering.number(pack)
                }
            }
        }
        if entries.count >= Self.spillCount { try spill() }
    }

    private func spill() throws(LifeboatError) {
        guard !entries.isEmpty else { return }
        entries.sort { $0.id < $1.id }
        try keep(IndexTable.encode(entries, packs: numbering.packs, level: 0))
        entries.removeAll(keepingCapacity: true)
        ids.removeAll(keepingCapacity: true)
        numbering = PackNumbering()
        while true {
            let due = IndexMerge.due(runs)
            guard !due.isEmpty else { return }
            let level = due[0].shape.level + 1
            let old = Set(due.map(\.name))
            runs.removeAll { old.contains($0.name) }
            try IndexMerge.merge(due, level: level) { plain throws(LifeboatError) in
                try keep(plain)
            }
            for name in old {
                if let path = paths.removeValue(forKey: name) { try Files.remove(path) }
            }
        }
    }

    private func keep(_ plain: [UInt8]) throws(LifeboatError) {
        guard let name = Digest(randomBytes(32)) else { return }
        let path = directory + "/" + name.hex + LocalDirectories.runEnding
        try Files.writeAtomically(path, plain)
        paths[name] = path
        runs.append(try IndexRun(name, path: path, locks: true))
    }

    func contains(_ id: Digest) throws(LifeboatError) -> Bool {
        if ids.contains(id) { return true }
        var isFound = false
        for run in runs where run.covers(id) {
            try run.find(id) { _ throws(LifeboatError) in
                isFound = true
                return false
            }
            if isFound { return true }
        }
        return false
    }

    /// All entries as runs, for the commit.
    func finish() throws(LifeboatError) -> [IndexRun] {
        try spill()
        return runs
    }
}
