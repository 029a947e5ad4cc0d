import Lifeboat
import LifeboatCore

extension Report {
    /// What `replica add` says.
    init(added replica: ReplicaSummary) {
        json = ["replica": replica.json]
        lines = [
            "replica \(replica.name) at \(replica.location)",
            "nothing is there yet: lifeboat replica sync \(replica.name)",
        ]
    }

    /// What `replica list` says.
    init(replicas: [ReplicaSummary]) {
        json = ["replicas": .array(replicas.map(\.json))]
        var table = TextTable([
            .left("name"), .left("last sync"), .left("takes"), .left("location"),
        ])
        for replica in replicas {
            var synced = replica.synced.map { TimeText.short($0) } ?? "never"
            if replica.isIncomplete { synced += ", incomplete" }
            table.rows.append([replica.name, synced, replica.selection, replica.location])
        }
        lines = replicas.isEmpty ? ["this host knows of no replica"] : table.lines
    }

    /// What `replica remove` says.
    init(removed replica: ReplicaSummary) {
        json = ["removed": replica.json]
        lines = [
            "replica \(replica.name) is forgotten; what is at \(replica.location) stays there"
        ]
    }

    /// What `replica promote` says.
    init(promoted dropped: Int) {
        json = ["promoted": .bool(true), "dropped_entries": JSONValue(dropped)]
        lines = ["this is a repository of its own now"]
        if dropped > 0 {
            lines.append("\(dropped) log entries went that had not been copied whole")
        }
    }

    /// What `replica sync` says; `damaged` when the repository has lost something.
    init(synced results: [ReplicaSyncResult], isDryRun: Bool) {
        json = [
            "replicas": .array(results.map(\.json)), "dry_run": .bool(isDryRun),
        ]
        lines = []
        for result in results {
            let name = result.replica.name
            if let failure = result.failure {
                lines.append("replica \(name): \(failure.description)")
                continue
            }
            for fault in result.damaged { lines.append("problem: \(fault.description)") }
            lines += result.notes.map { "note: \($0)" }
            let copied =
                "\(result.objectsCopied) objects (\(ByteText.describe(result.bytesCopied)))"
            if isDryRun {
                lines.append("replica \(name): would copy \(copied)")
                continue
            }
            var line = "replica \(name): \(result.points) points"
            if result.absentPoints > 0 { line += ", \(result.absentPoints) left out" }
            line += "; copied \(copied) and \(result.entriesCopied) log entries"
            line += ", deleted \(result.deletedObjects)"
            line += " (\(ByteText.describe(result.deletedBytes)))"
            line += " in \(TimeText.elapsed(result.durationSeconds))"
            lines.append(line)
            if !result.isComplete {
                lines.append("replica \(name) lacks what the repository has lost")
            }
        }
        if let failure = results.compactMap(\.failure).first {
            status = ErrorReport(failure).status
        } else if results.contains(where: { !$0.damaged.isEmpty }) {
            status = .damaged
        }
    }
}

extension ReplicaSummary {
    /// Which points it takes, for people.
    fileprivate var selection: String {
        let parts =
            machines.map { "machine \($0)" }
            + tags.sorted { $0.key < $1.key }.map { "tag \($0.key)=\($0.value)" }
        return parts.isEmpty ? "all" : parts.joined(separator: ", ")
    }

    fileprivate var json: JSONValue {
        [
            "name": .string(name), "location": .string(location),
            "machines": JSONValue(machines), "tags": JSONValue(tags),
            "synced": .time(synced), "synced_ms": JSONValue(synced),
            "incomplete": .bool(isIncomplete),
        ]
    }
}

extension ReplicaSyncResult {
    fileprivate var json: JSONValue {
        [
            "name": .string(replica.name), "location": .string(replica.location),
            "complete": .bool(isComplete), "view": .integer(view),
            "points": JSONValue(points), "absent_points": JSONValue(absentPoints),
            "packs_copied": JSONValue(packsCopied), "objects_copied": JSONValue(objectsCopied),
            "entries_copied": JSONValue(entriesCopied), "bytes_copied": .integer(bytesCopied),
            "deleted_objects": JSONValue(deletedObjects),
            "deleted_bytes": .integer(deletedBytes),
            "problems": .array(
                damaged.map { fault in
                    ["object": JSONValue(fault.subject), "message": .string(fault.message)]
                }), "notes": JSONValue(notes),
            "error": failure.map { .string($0.description) } ?? .null,
            "duration_seconds": .number(durationSeconds),
        ]
    }
}
