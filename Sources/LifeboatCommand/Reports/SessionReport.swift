import Lifeboat
import LifeboatCore

extension Report {
    /// What `session list` says.
    init(sessions: [SessionSummary]) {
        json = ["sessions": .array(sessions.map(\.json))]
        var table = TextTable([
            .left("session"), .left("writer"), .left("log"), .left("since"), .left("state"),
            .left("what waits for it"),
        ])
        for session in sessions {
            table.rows.append([
                session.session.short, session.label ?? session.member.short,
                session.incarnation.hex, TimeText.short(session.since),
                session.isEnded ? "fenced" : "open", session.waiting,
            ])
        }
        lines = sessions.isEmpty ? ["no open sessions"] : table.lines
    }

    /// What `session fence` says, and what it means.
    init(fenced logs: [FencedLog]) {
        json = ["fenced": .array(logs.map(\.json))]
        lines = logs.map { log in
            "log \(log.incarnation.hex) of \(log.label ?? log.member.short) ends with entry "
                + "\(log.sequence); \(count(log.sessions.count, "session")) void"
        }
        lines.append(
            logs.isEmpty
                ? "nothing to fence"
                : "what these runs were storing becomes no point, all earlier points stay; "
                    + "a host that is still there begins a new log with its next run")
    }
}

private func count(_ number: Int, _ noun: String) -> String {
    number == 1 ? "1 \(noun)" : "\(number) \(noun)s"
}

extension SessionSummary {
    fileprivate var waiting: String {
        var parts: [String] = []
        if condemnedObjects > 0 { parts.append(count(condemnedObjects, "condemned object")) }
        if forgottenPoints > 0 { parts.append(count(forgottenPoints, "forgotten point")) }
        return parts.isEmpty ? "nothing" : parts.joined(separator: ", ")
    }

    var json: JSONValue {
        [
            "session": JSONValue(session), "writer": JSONValue(member),
            "label": JSONValue(label), "incarnation": JSONValue(incarnation),
            "since": .time(since), "since_ms": .integer(since), "fenced": .bool(isEnded),
            "condemned_objects": JSONValue(condemnedObjects),
            "forgotten_points": JSONValue(forgottenPoints),
        ]
    }
}

extension FencedLog {
    fileprivate var json: JSONValue {
        [
            "incarnation": JSONValue(incarnation), "writer": JSONValue(member),
            "label": JSONValue(label), "sequence": .integer(sequence),
            "sessions": .array(sessions.map { JSONValue($0) }),
        ]
    }
}
