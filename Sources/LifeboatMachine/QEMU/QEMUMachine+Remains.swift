import LifeboatCore
import LifeboatSystem

/// What a run that died leaves: jobs, exports and nodes of QEMU, its scratch files.
extension QEMUMachine {
    /// Ends what one run has left, from another process.
    ///
    /// Nodes are named by the line only, so that their files tell whose they are. Nobody else can
    /// come in between: QEMU serves one program at a time.
    static func end(
        _ remains: SnapshotRemains, monitor: String, timeoutSeconds: Double,
        while isWanted: () -> Bool
    ) throws(LifeboatError) {
        let names = QEMUNames(line: remains.line)
        let prefix = names.scratchFiles(remains.snapshot)
        if let client = try connect(monitor, timeoutSeconds: timeoutSeconds) {
            defer { client.close() }
            let nodes = try client.call("query-named-block-nodes", ["flat": true]).list ?? []
            let files = nodes.filter { names.isScratch($0["node-name"]?.text ?? "") }
                .map { $0["file"]?.text ?? "" }
            guard isWanted() else { return }
            if !files.isEmpty, files.allSatisfy({ $0.contains("/" + prefix) }) {
                var cleaner = QEMUCleaner(client: client, names: names, kept: [:])
                cleaner.endSnapshot()
                if let warning = cleaner.warnings.first {
                    throw LifeboatError(
                        .unavailable, "QEMU's jobs are left", subject: remains.machine,
                        cause: warning)
                }
                try? Files.remove("\(remains.runDirectory)/\(names.socket)")
            }
        }
        for name in (try? Files.list(remains.scratchDirectory)) ?? []
        where name.hasPrefix(prefix) {
            try Files.remove("\(remains.scratchDirectory)/\(name)")
        }
    }

    /// `nil` where there is no QEMU any more, and so nothing in it.
    private static func connect(
        _ monitor: String, timeoutSeconds: Double
    ) throws(LifeboatError) -> QMPClient? {
        do throws(LifeboatError) {
            return try QMPClient(path: monitor, timeoutSeconds: timeoutSeconds)
        } catch {
            // One that serves another program takes the connection and does not greet.
            if (try? QMPSocket(path: monitor, timeoutSeconds: 1)) == nil { return nil }
            throw error
        }
    }
}
