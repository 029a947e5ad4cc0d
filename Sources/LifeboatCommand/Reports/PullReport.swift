import Lifeboat
import LifeboatCore

extension Report {
    /// What `pull` says.
    init(_ result: PullResult) {
        json = [
            "source": JSONValue(result.source),
            "points": .array(
                result.points.map { point in
                    [
                        "id": JSONValue(point.id), "origin": JSONValue(point.origin),
                        "machine": .string(point.machine), "new": .bool(point.isNew),
                    ]
                }), "bytes_read": .integer(result.bytesRead),
            "bytes_stored": .integer(result.bytesStored),
            "duration_seconds": .number(result.durationSeconds),
        ]
        lines = result.points.map { point in
            "point \(point.id.short)  machine \(point.machine)  from \(point.origin.short)"
                + (point.isNew ? "" : ", here already")
        }
        let count = result.points.count(where: \.isNew)
        lines.append(
            "took over \(count) points: \(ByteText.describe(result.bytesRead)) read, "
                + "\(ByteText.describe(result.bytesStored)) stored, in "
                + TimeText.elapsed(result.durationSeconds))
    }
}
