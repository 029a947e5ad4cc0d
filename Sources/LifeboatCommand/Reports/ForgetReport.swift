import Lifeboat
import LifeboatCore

extension Report {
    /// What `forget` says: a line a point, and why.
    init(_ result: ForgetResult, isDryRun: Bool) {
        let forgotten = result.points.count(where: \.isForgotten)
        json = [
            "points": .array(result.points.map(\.json)), "forgotten": JSONValue(forgotten),
            "kept": JSONValue(result.points.count - forgotten),
            "log_entries": JSONValue(result.entries), "dry_run": .bool(isDryRun),
        ]
        var table = TextTable([
            .left("point"), .left("machine"), .left("time"), .left("action"), .left("why"),
        ])
        for point in result.points {
            let group = point.group.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }
            table.rows.append([
                point.id.short, point.machine + group.joined(), TimeText.short(point.time),
                point.isForgotten ? "forget" : "keep",
                point.reasons.map(\.text).joined(separator: ", "),
            ])
        }
        lines = result.points.isEmpty ? [] : table.lines
        let kept = result.points.count - forgotten
        lines.append(
            isDryRun
                ? "would forget \(forgotten) points and keep \(kept)"
                : "forgot \(forgotten) points, kept \(kept)"
                    + (forgotten > 0 ? "; prune frees what only they needed" : ""))
    }

    /// What `hold` and `release` say: `what` is `on hold` or `released`.
    init(changed points: [PointSummary], _ what: String) {
        json = Report(points: points).json
        lines = points.map { "point \($0.id.short) of \($0.machine) \(what)" }
    }

    /// What `tag` says.
    init(tagged points: [PointSummary]) {
        json = Report(points: points).json
        lines = points.map { point in
            let tags = point.tags.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
            return "point \(point.id.short) of \(point.machine)  "
                + (tags.isEmpty ? "no tags" : tags.joined(separator: " "))
        }
    }
}

extension ForgetDecision {
    fileprivate var json: JSONValue {
        [
            "id": JSONValue(id), "machine": .string(machine), "group": JSONValue(group),
            "time": .time(time), "time_ms": .integer(time),
            "action": .string(isForgotten ? "forget" : "keep"),
            "reasons": JSONValue(reasons.map(\.text)),
        ]
    }
}
