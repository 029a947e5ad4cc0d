/// What is done about a running domain's checkpoints and bitmaps before its next snapshot, and how
/// each disk is read.
///
/// Pure: from what was found to what is to be done. Nothing that it finds needs an operator: where
/// tracking is broken the disk is read whole, and the next run is incremental again.
struct CheckpointPlan: Sendable, Equatable {
    /// A bitmap on a disk's topmost image.
    struct Bitmap: Sendable, Hashable {
        var name: String
        var isRecording = true
        var isInconsistent = false
        var isBusy = false

        var canBeRead: Bool { isRecording && !isInconsistent && !isBusy }
    }

    /// A disk that is backed up.
    struct Disk: Sendable, Hashable {
        var name: String
        /// Whether its format can keep bitmaps.
        var canTrack: Bool
        var bitmaps: [Bitmap]
    }

    /// A checkpoint that libvirt knows, and its bitmaps by disk.
    struct Checkpoint: Sendable, Hashable {
        var name: String
        var bitmaps: [String: String]
    }

    enum Action: Sendable, Hashable {
        case deleteCheckpoint(String)
        case removeBitmap(disk: String, name: String)
        /// Tells libvirt of a checkpoint whose bitmaps are on these disks.
        case redefine(String, disks: [String])
    }

    enum Mode: Sendable, Hashable {
        /// Why is told with the point; `nil` where there is nothing to tell.
        case whole(because: String?)
        case incremental(since: String)
    }

    var actions: [Action] = []
    /// By disk.
    var modes: [String: Mode] = [:]
    /// Other tools' checkpoints.
    var foreign: [String] = []
    /// Why it is not done at all.
    var refusal: String?

    init(
        line: String, bases: [String: String], disks: [Disk], checkpoints: [Checkpoint],
        foreignCheckpoints: ProtectionPolicy.ForeignCheckpoints
    ) {
        let wanted = Set(bases.values.map { SnapshotName(line: line, snapshot: $0).text })
        foreign = checkpoints.map(\.name).filter { SnapshotName($0) == nil }
        if foreignCheckpoints == .refuse, !foreign.isEmpty {
            refusal = "it has checkpoints of another program: " + foreign.joined(separator: ", ")
            return
        }
        if foreignCheckpoints == .adopt {
            // Children first.
            actions += foreign.reversed().map { .deleteCheckpoint($0) }
        }
        func isOrphan(_ name: String) -> Bool {
            SnapshotName(name)?.line == line && !wanted.contains(name)
        }
        actions += checkpoints.map(\.name).filter(isOrphan).reversed().map { .deleteCheckpoint($0) }
        let known = Dictionary(checkpoints.map { ($0.name, $0.bitmaps) }) { first, _ in first }
        for disk in disks {
            for bitmap in disk.bitmaps where isOrphan(bitmap.name) && !bitmap.isBusy {
                // What a checkpoint names goes with it.
                if known[bitmap.name]?[disk.name] == bitmap.name { continue }
                actions.append(.removeBitmap(disk: disk.name, name: bitmap.name))
            }
        }
        for disk in disks { modes[disk.name] = Self.mode(disk, line, bases[disk.name], known) }
        repair(line, disks, known)
    }

    private static func mode(
        _ disk: Disk, _ line: String, _ base: String?, _ known: [String: [String: String]]
    ) -> Mode {
        guard disk.canTrack else {
            return .whole(because: "its format keeps no record of changes, so all of it was read")
        }
        guard let base else { return .whole(because: nil) }
        let name = SnapshotName(line: line, snapshot: base).text
        // Foreign metadata under our name, pointing at some other bitmap, is not ours to trust.
        if let other = known[name]?[disk.name], other != name {
            return .whole(because: "the checkpoint \(name) names the bitmap \(other)")
        }
        guard let bitmap = disk.bitmaps.first(where: { $0.name == name }) else {
            return .whole(because: "the record of changes \(name) is gone, so all of it was read")
        }
        guard bitmap.canBeRead else {
            let why =
                bitmap.isInconsistent
                ? "is broken, as after a crash of QEMU"
                : bitmap.isBusy ? "is in use by another job" : "was not kept all the time"
            return .whole(because: "the record of changes \(name) \(why), so all of it was read")
        }
        return .incremental(since: name)
    }

    /// Bitmaps that are good but that libvirt does not know of, as after migration or in transient
    /// domains, are told to it; checkpoints of which no disk makes use any more are deleted.
    private mutating func repair(
        _ line: String, _ disks: [Disk], _ known: [String: [String: String]]
    ) {
        var users: [String: [String]] = [:]
        for disk in disks {
            if case .incremental(let name) = modes[disk.name] {
                users[name, default: []].append(disk.name)
            }
        }
        for (name, names) in users.sorted(by: { $0.key < $1.key }) {
            guard let covered = known[name] else {
                actions.append(.redefine(name, disks: names))
                continue
            }
            let uncovered = names.filter { covered[$0] == nil }
            guard !uncovered.isEmpty else { continue }
            // libvirt takes no second definition of a name with other disks.
            for disk in uncovered {
                modes[disk] = .whole(
                    because: "libvirt's checkpoint \(name) does not have it, so all of it was read")
            }
        }
        for disk in disks {
            for bitmap in disk.bitmaps where bitmap.isInconsistent {
                guard let owner = SnapshotName(bitmap.name), owner.line == line,
                    known[bitmap.name] == nil, users[bitmap.name] == nil
                else { continue }
                let action = Action.removeBitmap(disk: disk.name, name: bitmap.name)
                if !actions.contains(action) { actions.append(action) }
            }
        }
        let unused = known.keys.sorted().filter { name in
            guard let owner = SnapshotName(name), owner.line == line else { return false }
            guard !actions.contains(.deleteCheckpoint(name)), users[name] == nil else {
                return false
            }
            // Only where all that it covers is among the disks at hand, and useless on each.
            return known[name]?.keys.allSatisfy { disk in
                disks.contains { $0.name == disk }
            } ?? true
        }
        actions += unused.map { .deleteCheckpoint($0) }
    }
}
