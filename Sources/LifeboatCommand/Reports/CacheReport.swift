import Lifeboat
import LifeboatCore

extension Report {
    /// What `cache list` and `cache clean` say; `none` is the line for an empty list.
    init(caches: [CacheSummary], key: String, none: String) {
        json = .object([
            JSONValue.Member(key: key, value: .array(caches.map(\.json)))
        ])
        var table = TextTable([
            .left("repository"), .right("bytes"), .left("last used"), .left("path"),
        ])
        table.rows = caches.map {
            [$0.repository, ByteText.describe($0.bytes), TimeText.short($0.lastUsed), $0.path]
        }
        lines = caches.isEmpty ? [none] : table.lines
    }
}

extension CacheSummary {
    fileprivate var json: JSONValue {
        [
            "repository": .string(repository), "path": .string(path), "bytes": .integer(bytes),
            "last_used": .time(lastUsed), "last_used_ms": .integer(lastUsed),
        ]
    }
}
