import Lifeboat
import LifeboatCore

extension Report {
    /// What `files` says.
    init(_ listing: FileListing) {
        json = [
            "point": JSONValue(listing.point), "volume": .string(listing.volume),
            "partition": listing.partition.map { JSONValue($0) } ?? .null,
            "file_system": .string(listing.fileSystem), "path": .string(listing.path),
            "copied_to": JSONValue(listing.target),
            "entries": .array(
                listing.entries.map { entry in
                    [
                        "name": .string(entry.name), "mode": .string(entry.mode),
                        "size": .integer(entry.size),
                    ]
                }),
        ]
        var table = TextTable([.left("mode"), .right("size"), .left("name")])
        for entry in listing.entries {
            table.rows.append([entry.mode, String(entry.size), entry.name])
        }
        lines = table.lines
        if let target = listing.target { lines = ["\(listing.path) copied into \(target)"] }
    }
}
