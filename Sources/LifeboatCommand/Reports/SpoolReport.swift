import Lifeboat
import LifeboatCore

extension Report {
    /// What `spool list` says.
    init(spool: SpoolSummary) {
        json = [
            "directory": .string(spool.settings.directory),
            "size": spool.settings.size == .max ? .null : .integer(spool.settings.size),
            "bytes_used": .integer(spool.bytesUsed),
            "when": .string(spool.settings.occasion.rawValue),
            "counts": .bool(spool.settings.counts), "prepared": .bool(spool.isPrepared),
            "points": .array(spool.points.map(\.json)),
        ]
        var table = TextTable([
            .left("id"), .left("time"), .right("packs"), .right("size"), .left("state"),
        ])
        for point in spool.points {
            table.rows.append([
                point.id.short, TimeText.short(point.time), String(point.packs),
                ByteText.describe(point.bytes), point.fault == nil ? "waits" : "cannot be sent",
            ])
        }
        lines = spool.points.isEmpty ? ["nothing waits"] : table.lines
        lines += spool.points.compactMap(\.fault)
        var footing = "spool \(spool.settings.directory): \(ByteText.describe(spool.bytesUsed))"
        if spool.settings.size < .max {
            footing += " of \(ByteText.describe(spool.settings.size))"
        }
        if !spool.isPrepared { footing += "; not prepared: the next backup to the store does that" }
        lines.append(footing)
    }

    /// What `spool send` says; refused when some point could not be sent.
    init(sent result: SpoolSendResult) {
        json = [
            "sent": .array(
                result.sent.map {
                    [
                        "local": JSONValue($0.local), "point": JSONValue($0.point),
                        "packs": JSONValue($0.packs), "bytes_sent": .integer($0.bytesSent),
                    ]
                }),
            "failed": .array(
                result.failures.map {
                    [
                        "local": JSONValue($0.local), "message": .string($0.error.message),
                        "advice": JSONValue($0.error.advice),
                    ]
                }),
            "duration_seconds": .number(result.durationSeconds),
        ]
        lines = result.sent.map { sent in
            "point \(sent.local.short) is \(sent.point.short) in the repository; sent "
                + ByteText.describe(sent.bytesSent)
        }
        lines += result.failures.map { "problem: \($0.error.description)" }
        if lines.isEmpty { lines = ["nothing waits"] }
        status = result.failures.isEmpty ? .success : .refused
    }

    /// What `spool drop` says.
    init(dropped points: [SpoolSummary.Waiting]) {
        json = ["dropped": .array(points.map(\.json))]
        lines = points.map { "dropped point \($0.id.short) of \(TimeText.short($0.time))" }
        if lines.isEmpty { lines = ["nothing waits"] }
    }
}

extension SpoolSummary.Waiting {
    fileprivate var json: JSONValue {
        [
            "id": JSONValue(id), "time": .time(time), "time_ms": .integer(time),
            "packs": JSONValue(packs), "bytes": .integer(bytes), "fault": JSONValue(fault),
        ]
    }
}

extension SpoolSummary {
    /// What `resume` says of it; `nil` when nothing waits.
    var reminder: String? {
        guard !points.isEmpty else { return nil }
        let count = points.count == 1 ? "1 point waits" : "\(points.count) points wait"
        let bytes = points.reduce(0) { $0 + $1.bytes }
        return "\(count) in the spool (\(ByteText.describe(bytes))): the next backup sends that, "
            + "or lifeboat spool send"
    }
}
