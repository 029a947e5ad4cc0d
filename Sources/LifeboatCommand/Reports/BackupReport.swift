import Lifeboat
import LifeboatCore

extension Report {
    /// What `backup` says; partly done when a volume has a warning that matters.
    init(_ result: BackupResult, isDryRun: Bool) {
        json = [
            "point": JSONValue(result.point), "machine": .string(result.machine),
            "consistency": .string(result.consistency.rawValue),
            "parent": JSONValue(result.parent),
            "volumes": .array(result.volumes.map(\.json)),
            "bytes_metadata": .integer(result.bytesMetadata),
            "duration_seconds": .number(result.durationSeconds),
            "warnings": JSONValue(result.warnings), "dry_run": .bool(isDryRun),
            "place": .string(result.place.rawValue),
            "machines": .array(result.machines.map(\.json)),
            "skew_ms": JSONValue(result.skew),
        ]
        let name = result.point.map(\.short) ?? (isDryRun ? "none: a dry run" : "none")
        var heading = "point \(name)  machine \(result.machine)"
        heading += "  consistency \(result.consistency.rawValue)"
        if let parent = result.parent { heading += "  parent \(parent.short)" }
        var table = TextTable([
            .left("volume"), .right("size"), .right("read"), .right("new"), .right("stored"),
            .right("zero"), .right("unchanged"), .left("method"),
        ])
        for volume in result.volumes {
            table.rows.append([
                volume.name, ByteText.describe(volume.size), ByteText.describe(volume.bytesRead),
                ByteText.describe(volume.bytesNew), ByteText.describe(volume.bytesStored),
                ByteText.describe(volume.bytesZero), ByteText.describe(volume.bytesUnchanged),
                volume.method,
            ])
        }
        let size = result.volumes.reduce(0.0) { $0 + Double($1.size) }
        var footing = "metadata \(ByteText.describe(result.bytesMetadata))"
        footing += ", took \(TimeText.elapsed(result.durationSeconds))"
        if result.durationSeconds > 0, size < 1e18 {
            let rate = UInt64(min(size / result.durationSeconds, 1e18))
            footing += ", \(ByteText.describe(rate))/s of volume"
        }
        lines = [heading] + table.lines
        lines += MachineLines.lines(result.machines, skew: result.skew) + [footing]
        if result.place == .local, !isDryRun {
            lines.append("the point waits in this host's spool: see lifeboat spool list")
        }
        status = result.volumes.contains(where: \.isDegraded) ? .partlyDone : .success
    }
}

extension VolumeBackupResult {
    fileprivate var json: JSONValue {
        [
            "name": .string(name), "size": .integer(size), "bytes_read": .integer(bytesRead),
            "bytes_new": .integer(bytesNew), "bytes_stored": .integer(bytesStored),
            "bytes_zero": .integer(bytesZero), "bytes_unchanged": .integer(bytesUnchanged),
            "bytes_audited": .integer(bytesAudited), "method": .string(method),
            "consistency": .string(consistency.rawValue), "warnings": JSONValue(warnings),
        ]
    }
}
