import Lifeboat
import LifeboatCore

extension Report {
    /// What `prune` says: what is freed, what waits and for whom, what is held.
    init(_ result: PruneResult, isDryRun: Bool) {
        json = [
            "condemned_objects": JSONValue(result.condemnedObjects),
            "bytes_condemned": .integer(result.condemnedBytes),
            "released_objects": JSONValue(result.releasedObjects),
            "deleted_objects": JSONValue(result.deletedObjects),
            "bytes_deleted": .integer(result.deletedBytes),
            "waits_for": .array(result.waitsFor.map(\.json)), "packs": JSONValue(result.packs),
            "bytes_stored": .integer(result.bytesStored), "bytes_live": .integer(result.bytesLive),
            "bytes_held": .integer(result.bytesHeld),
            "repacked_packs": JSONValue(result.repackedPacks),
            "bytes_repacked": .integer(result.repackedBytes),
            "merged_runs": JSONValue(result.mergedRuns),
            "deleted_log_entries": JSONValue(result.deletedLogEntries),
            "locked_objects": JSONValue(result.lockedObjects),
            "bytes_locked": .integer(result.lockedBytes),
            "locked_until": .time(result.lockedUntil),
            "locked_until_ms": JSONValue(result.lockedUntil),
            "lock_extension": result.lockExtension?.json ?? .null,
            "checkpoint": JSONValue(result.checkpoint), "notes": JSONValue(result.notes),
            "duration_seconds": .number(result.durationSeconds), "dry_run": .bool(isDryRun),
        ]
        var table = TextTable([
            .left(isDryRun ? "would be" : "done"), .right("objects"), .right("bytes"),
        ])
        table.rows = [
            [
                "deleted", String(result.deletedObjects), ByteText.describe(result.deletedBytes),
            ],
            [
                "condemned", String(result.condemnedObjects),
                ByteText.describe(result.condemnedBytes),
            ],
            ["released", String(result.releasedObjects), ""],
            [
                "written anew", String(result.repackedPacks),
                ByteText.describe(result.repackedBytes),
            ],
            ["index runs merged", String(result.mergedRuns), ""],
            ["log entries deleted", String(result.deletedLogEntries), ""],
        ]
        lines =
            table.lines + [
                "\(result.packs) packs, \(ByteText.describe(result.bytesStored)) stored, of which "
                    + "points need \(ByteText.describe(result.bytesLive))"
            ]
        if result.bytesHeld > 0 {
            lines.append(
                "\(ByteText.describe(result.bytesHeld)) of dead space can be freed with "
                    + "--recovery-key-file only")
        }
        if result.lockedObjects > 0, let end = result.lockedUntil {
            lines.append(
                "\(result.lockedObjects) objects, \(ByteText.describe(result.lockedBytes)), are "
                    + "locked in the store, the last until \(TimeText.short(end)); "
                    + "a later run deletes them")
        }
        if let locks = result.lockExtension { lines += locks.lines }
        if !result.waitsFor.isEmpty {
            lines.append("what these sessions may rely on is deleted by a later run:")
        }
        lines += result.waitsFor.map { session in
            "waits for session \(session.session.short) of "
                + "\(session.label ?? session.member.short), open since "
                + "\(TimeText.short(session.since)): see session fence if that host is gone"
        }
        lines += result.notes.map { "note: \($0)" }
        lines.append("took \(TimeText.elapsed(result.durationSeconds))")
    }
}

extension WaitedSession {
    fileprivate var json: JSONValue {
        [
            "session": JSONValue(session), "writer": JSONValue(member),
            "label": JSONValue(label), "incarnation": JSONValue(incarnation),
            "since": .time(since), "since_ms": .integer(since),
        ]
    }
}
