import Lifeboat
import LifeboatCore

extension Report {
    /// What `points` says: a line a point, oldest first.
    init(points: [PointSummary]) {
        json = ["points": .array(points.map(\.json))]
        let hasLocal = points.contains { $0.place == .local }
        var table = TextTable(
            [
                .left("id"), .left("time"), .left("machine"), .left("consistency"),
                .right("volumes"), .right("size"), .right("new"), .right("stored"),
                .left("verified"), .left("held"),
            ] + (hasLocal ? [.left("place")] : []))
        for point in points {
            let volumes = point.volumes
            let row = [
                point.id.short, TimeText.short(point.time), point.machine,
                point.consistency.rawValue, String(volumes.count),
                ByteText.describe(sum(volumes, \.size)),
                ByteText.describe(sum(volumes, \.bytesNew)),
                ByteText.describe(sum(volumes, \.bytesStored)), verified(point, TimeText.date),
                point.isHeld ? "held" : "",
            ]
            table.rows.append(row + (hasLocal ? [point.place.rawValue] : []))
        }
        lines = points.isEmpty ? ["no points"] : table.lines
    }

    /// What `show` says of one point.
    init(point: PointSummary) {
        json = ["point": point.json]
        var facts: [(String, String)] = [
            ("point", point.id.hex), ("machine", point.machine), ("host", point.host),
            ("time", TimeText.short(point.time)), ("begun", TimeText.short(point.begun)),
            ("consistency", point.consistency.rawValue),
            ("parent", point.parent?.hex ?? "none"), ("verified", verified(point, TimeText.short)),
            ("on hold", point.isHeld ? "yes" : "no"), ("program", point.program),
            ("writer", "\(point.writer.hex), incarnation \(point.incarnation.hex)"),
            ("sequence", String(point.sequence)),
        ]
        for (key, value) in point.tags.sorted(by: { $0.key < $1.key }) {
            facts.append(("tag", "\(key)=\(value)"))
        }
        lines = facts.map { name, value in
            name + String(repeating: " ", count: 13 - name.count) + value
        }
        var table = TextTable([
            .left("volume"), .right("size"), .right("read"), .right("new"), .right("stored"),
            .right("zero"), .right("unchanged"), .left("consistency"), .left("method"),
        ])
        for volume in point.volumes {
            table.rows.append([
                volume.name, ByteText.describe(volume.size), ByteText.describe(volume.bytesRead),
                ByteText.describe(volume.bytesNew), ByteText.describe(volume.bytesStored),
                ByteText.describe(volume.bytesZero), ByteText.describe(volume.bytesUnchanged),
                volume.consistency.rawValue, volume.method,
            ])
        }
        lines += [""] + table.lines
        lines += MachineLines.lines(point.machines, skew: point.skew)
        for volume in point.volumes {
            lines += volume.warnings.map { "warning: volume \(volume.name): \($0)" }
        }
    }
}

private func verified(_ point: PointSummary, _ format: (UInt64) -> String) -> String {
    guard let time = point.verifiedTime else { return "never" }
    return format(time) + (point.verifiedDepth.map { " " + $0 } ?? "")
}

private func sum(
    _ volumes: [PointSummary.Volume], _ part: (PointSummary.Volume) -> UInt64
) -> UInt64 {
    volumes.reduce(0) { total, volume in
        let (result, overflows) = total.addingReportingOverflow(part(volume))
        return overflows ? .max : result
    }
}

extension PointSummary {
    fileprivate var json: JSONValue {
        var verification = JSONValue.null
        if let verifiedTime {
            verification = [
                "time": .time(verifiedTime), "time_ms": .integer(verifiedTime),
                "depth": JSONValue(verifiedDepth),
            ]
        }
        return [
            "id": JSONValue(id), "machine": .string(machine), "host": .string(host),
            "time": .time(time), "time_ms": .integer(time), "begun": .time(begun),
            "begun_ms": .integer(begun), "consistency": .string(consistency.rawValue),
            "parent": JSONValue(parent), "volumes": .array(volumes.map(\.json)),
            "tags": JSONValue(tags), "held": .bool(isHeld), "verified": verification,
            "program": .string(program),
            "writer": JSONValue(writer), "incarnation": JSONValue(incarnation),
            "sequence": .integer(sequence), "place": .string(place.rawValue),
            "counts": .bool(counts), "machines": .array(machines.map(\.json)),
            "skew_ms": JSONValue(skew),
        ]
    }
}

extension PointSummary.Volume {
    fileprivate var json: JSONValue {
        [
            "name": .string(name), "size": .integer(size),
            "consistency": .string(consistency.rawValue), "method": .string(method),
            "bytes_read": .integer(bytesRead), "bytes_new": .integer(bytesNew),
            "bytes_stored": .integer(bytesStored), "bytes_zero": .integer(bytesZero),
            "bytes_unchanged": .integer(bytesUnchanged), "root": JSONValue(root),
            "warnings": JSONValue(warnings), "definition": .bool(isDefinition),
        ]
    }
}
