import Lifeboat
import LifeboatCore

extension Report {
    /// What `restore` says.
    init(_ result: RestoreResult) {
        json = [
            "point": JSONValue(result.point), "volumes": .array(result.volumes.map(\.json)),
            "duration_seconds": .number(result.durationSeconds),
        ]
        var table = TextTable([
            .left("volume"), .left("target"), .right("size"), .right("written"),
            .right("matching"), .right("resumed"), .right("fetched"), .right("verified"),
        ])
        for volume in result.volumes {
            table.rows.append([
                volume.name, volume.target, ByteText.describe(volume.size),
                ByteText.describe(volume.bytesWritten), ByteText.describe(volume.bytesMatching),
                ByteText.describe(volume.bytesResumed), ByteText.describe(volume.bytesFetched),
                ByteText.describe(volume.bytesVerified),
            ])
        }
        let writing = result.volumes.reduce(0) { $0 + $1.writeSeconds }
        let verifying = result.volumes.reduce(0) { $0 + $1.verifySeconds }
        lines = ["point \(result.point.short) restored"] + table.lines
        lines.append(
            "took \(TimeText.elapsed(result.durationSeconds)): writing \(TimeText.elapsed(writing))"
                + ", verifying \(TimeText.elapsed(verifying))")
    }
}

extension VolumeRestoreResult {
    var json: JSONValue {
        [
            "name": .string(name), "target": .string(target), "size": .integer(size),
            "bytes_written": .integer(bytesWritten), "bytes_fetched": .integer(bytesFetched),
            "bytes_matching": .integer(bytesMatching), "bytes_verified": .integer(bytesVerified),
            "bytes_resumed": .integer(bytesResumed), "write_seconds": .number(writeSeconds),
            "verify_seconds": .number(verifySeconds),
        ]
    }
}
