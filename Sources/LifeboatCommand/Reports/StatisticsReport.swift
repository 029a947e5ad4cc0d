import Lifeboat
import LifeboatCore

extension Report {
    /// What `stats` says: what is stored, and for whom.
    init(_ result: StatisticsResult) {
        json = [
            "points": JSONValue(result.points), "machines": .array(result.machines.map(\.json)),
            "packs": .integer(result.packs), "bytes_packs": .integer(result.packBytes),
            "index_runs": .integer(result.indexRuns), "bytes_index": .integer(result.indexBytes),
            "other_objects": .integer(result.otherObjects),
            "bytes_other": .integer(result.otherBytes),
            "damaged_packs": .integer(result.damagedPacks),
        ]
        var machines = TextTable([
            .left("machine"), .right("points"), .right("volumes"), .right("size"), .right("new"),
            .right("stored"), .left("oldest"), .left("newest"),
        ])
        for machine in result.machines {
            machines.rows.append([
                machine.machine, String(machine.points), String(machine.volumes),
                ByteText.describe(machine.latestSize), ByteText.describe(machine.bytesNew),
                ByteText.describe(machine.bytesStored), TimeText.short(machine.oldest),
                TimeText.short(machine.newest),
            ])
        }
        var objects = TextTable([.left("stored"), .right("objects"), .right("bytes")])
        objects.rows = [
            ["packs", String(result.packs), ByteText.describe(result.packBytes)],
            ["index runs", String(result.indexRuns), ByteText.describe(result.indexBytes)],
            ["other", String(result.otherObjects), ByteText.describe(result.otherBytes)],
        ]
        lines = machines.lines + [""] + objects.lines
        if result.damagedPacks > 0 {
            lines.append("\(result.damagedPacks) damaged packs are set aside: see verify")
        }
    }
}

extension StatisticsResult.Machine {
    fileprivate var json: JSONValue {
        [
            "machine": .string(machine), "points": JSONValue(points),
            "volumes": JSONValue(volumes), "latest_size": .integer(latestSize),
            "bytes_new": .integer(bytesNew), "bytes_stored": .integer(bytesStored),
            "oldest": .time(oldest), "oldest_ms": .integer(oldest), "newest": .time(newest),
            "newest_ms": .integer(newest),
        ]
    }
}
