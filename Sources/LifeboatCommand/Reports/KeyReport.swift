import Lifeboat
import LifeboatCore

extension Report {
    /// What `key list` says.
    init(keys: [KeySummary]) {
        json = ["keys": .array(keys.map(\.json))]
        var table = TextTable([.left("id"), .left("kind"), .left("created"), .left("label")])
        for key in keys {
            table.rows.append([
                key.id.hex, key.kind, TimeText.short(key.created),
                key.label + (key.isCurrent ? " (in use)" : ""),
            ])
        }
        lines = table.lines
    }

    /// What `key add` and `key remove` say: `what` is `added` or `removed`.
    init(key: KeySummary, _ what: String) {
        json = ["key": key.json]
        lines = ["\(key.kind) \(key.id.hex) \(what)"]
    }
}

extension KeySummary {
    fileprivate var json: JSONValue {
        [
            "id": JSONValue(id), "kind": .string(kind), "label": .string(label),
            "created": .time(created), "created_ms": .integer(created), "current": .bool(isCurrent),
        ]
    }
}
