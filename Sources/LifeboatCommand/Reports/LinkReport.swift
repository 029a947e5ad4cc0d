import Lifeboat
import LifeboatCore

extension Report {
    /// What `link list` and `link limit` say.
    init(links: [LinkSummary]) {
        json = ["links": .array(links.map(\.json))]
        var table = TextTable([
            .left("link"), .left("upload"), .left("download"), .left("until"), .left("state"),
            .left("carries"),
        ])
        for link in links {
            table.rows.append([
                link.name, link.upload.text, link.download.text, link.nextChange ?? "-", link.state,
                link.carries.joined(separator: ", "),
            ])
        }
        lines = links.isEmpty ? ["no links"] : table.lines
    }

    /// What `suspend` and `resume` say.
    init(_ result: SuspensionResult) {
        let (kind, name) = (result.target.kind.rawValue, result.target.name)
        json = [
            "kind": .string(kind), "name": .string(name),
            "suspended": .bool(result.suspendedSince != nil),
            "since": .time(result.suspendedSince), "since_ms": JSONValue(result.suspendedSince),
            "changed": .bool(result.isChanged),
            "spooled_points": JSONValue(result.spool.map { UInt64($0.points.count) }),
        ]
        if let since = result.suspendedSince {
            let was = result.isChanged ? "is suspended" : "was suspended already,"
            lines = ["\(kind) \(name) \(was) since \(TimeText.short(since))"]
        } else {
            let was = result.isChanged ? "is suspended no more" : "was not suspended"
            lines = ["\(kind) \(name) \(was)"] + [result.spool?.reminder].compactMap { $0 }
        }
    }
}

extension LinkSummary {
    fileprivate var state: String {
        suspendedSince.map { "suspended since \(TimeText.short($0))" } ?? "in use"
    }

    fileprivate var json: JSONValue {
        [
            "name": .string(name), "carries": JSONValue(carries), "upload": upload.json,
            "download": download.json, "windows": JSONValue(windows),
            "next_change": JSONValue(nextChange), "source_address": JSONValue(sourceAddress),
            "interface": JSONValue(interface), "spool": spool?.json ?? .null,
            "suspended": .bool(suspendedSince != nil),
            "since": .time(suspendedSince), "since_ms": JSONValue(suspendedSince),
        ]
    }
}

extension SpoolSettings {
    fileprivate var json: JSONValue {
        [
            "directory": .string(directory), "size": .integer(size),
            "when": .string(occasion.rawValue), "counts": .bool(counts),
        ]
    }
}

extension LinkSummary.Traffic {
    fileprivate var text: String { "\(present)" + (override == nil ? "" : " (set)") }

    /// Bytes a second, and `null` for no limit.
    fileprivate var json: JSONValue {
        [
            "limit": JSONValue(present.limit), "plain_limit": JSONValue(plain.limit),
            "set": .bool(override != nil),
        ]
    }
}
