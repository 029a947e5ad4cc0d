import LifeboatCore
import LifeboatSystem

/// Takes away what one line of points has in a QEMU, by what QEMU says is there.
///
/// So it serves after a run that ended well as after one that died.
struct QEMUCleaner {
    let client: QMPClient
    let names: QEMUNames
    /// The names of the bitmaps that stay, by volume.
    let kept: [String: Set<String>]
    private(set) var warnings: [String] = []

    private static let patienceSeconds = 10.0

    init(client: QMPClient, names: QEMUNames, kept: [String: Set<String>]) {
        self.client = client
        self.names = names
        self.kept = kept
    }

    mutating func run() {
        endSnapshot()
        removeBitmaps()
    }

    /// Ends all that reads or copies, and leaves the bitmaps to the next run.
    mutating func endSnapshot() {
        removeExports()
        cancelJobs()
        removeNodes()
    }

    /// Stops the exports, so that nobody reads what is no snapshot any more.
    mutating func removeExports() {
        let exports = ask("query-block-exports").list ?? []
        let ours = exports.compactMap { $0["id"]?.text }.filter(names.isOurs)
        for export in ours {
            attempt(
                "block-export-del", ["id": .string(export), "mode": "hard"], ignoring: .missing)
        }
        let deadline = Clock.monotonicSeconds() + Self.patienceSeconds
        while client.isOpen, Clock.monotonicSeconds() < deadline {
            let left = ask("query-block-exports").list ?? []
            if !left.contains(where: { names.isOurs($0["id"]?.text ?? "") }) { break }
            Threads.sleep(seconds: 0.02)
        }
        // The server is ours where something of ours is there, and nobody else uses it.
        let strangers = exports.contains {
            $0["type"]?.text == "nbd" && !names.isOurs($0["id"]?.text ?? "")
        }
        if !strangers, !ours.isEmpty || !nodes().isEmpty {
            // Says no when it does not run.
            _ = try? client.call("nbd-server-stop")
        }
    }

    /// Ends the jobs, and so takes their filters out from above the disks.
    mutating func cancelJobs() {
        let deadline = Clock.monotonicSeconds() + Self.patienceSeconds
        var asked: Set<String> = []
        while client.isOpen, Clock.monotonicSeconds() < deadline {
            let jobs = (ask("query-jobs").list ?? []).compactMap { $0["id"]?.text }
                .filter(names.isOurs)
            if jobs.isEmpty {
                if !asked.isEmpty { letGuestGoOn() }
                return
            }
            for job in jobs where asked.insert(job).inserted {
                attempt(
                    "block-job-cancel", ["device": .string(job), "force": true],
                    ignoring: .missing)
            }
            Threads.sleep(seconds: 0.02)
        }
        if client.isOpen { warnings.append("a backup job of QEMU's does not end") }
    }

    /// A guest that is held at a write that found no room for old bytes can do it now.
    private mutating func letGuestGoOn() {
        if client.isStoppedByFailedWrite { attempt("cont", [:]) }
    }

    private mutating func removeNodes() {
        let deadline = Clock.monotonicSeconds() + Self.patienceSeconds
        // The filters have gone with their jobs.
        for node in nodes() where names.isScratch(node) {
            while true {
                do throws(LifeboatError) {
                    try client.call("blockdev-del", ["node-name": .string(node)])
                    break
                } catch {
                    // An export gives its node up a moment after it has gone.
                    if client.isOpen, Clock.monotonicSeconds() < deadline {
                        Threads.sleep(seconds: 0.02)
                        continue
                    }
                    if client.isOpen { warnings.append("\(error)") }
                    break
                }
            }
        }
    }

    private mutating func removeBitmaps() {
        let disks = QEMUDisk.find(blocks: ask("query-block"), nodes: namedNodes())
        for disk in disks {
            let kept = kept[disk.name] ?? []
            for bitmap in disk.bitmaps
            where names.isOurs(bitmap.name)
                && (bitmap.isInconsistent || !kept.contains(bitmap.name))
            {
                attempt(
                    "block-dirty-bitmap-remove",
                    ["node": .string(disk.node), "name": .string(bitmap.name)],
                    ignoring: .missing)
            }
        }
    }

    private mutating func nodes() -> [String] {
        (namedNodes().list ?? []).compactMap { $0["node-name"]?.text }.filter(names.isOurs)
    }

    private mutating func namedNodes() -> JSON {
        ask("query-named-block-nodes", ["flat": true])
    }

    private mutating func ask(_ command: String, _ arguments: [String: JSON] = [:]) -> JSON {
        do throws(LifeboatError) {
            return try client.call(command, arguments)
        } catch {
            if client.isOpen { warnings.append("\(error)") }
            return .null
        }
    }

    private mutating func attempt(
        _ command: String, _ arguments: [String: JSON], ignoring: LifeboatError.Code? = nil
    ) {
        do throws(LifeboatError) {
            try client.call(command, arguments)
        } catch {
            if client.isOpen, error.code != ignoring { warnings.append("\(error)") }
        }
    }
}
