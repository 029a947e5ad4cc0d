import Lifeboat
import LifeboatCore

/// What a point says of its machines, in words.
enum MachineLines {
    static func lines(_ machines: [MachineSummary], skew: UInt64?) -> [String] {
        guard !machines.isEmpty else { return [] }
        var table = TextTable([
            .left("machine"), .left("consistency"), .left("asked for"), .right("frozen"),
            .left("dead-man"), .left("platform"),
        ])
        for machine in machines {
            table.rows.append([
                machine.name, machine.consistency.rawValue, machine.policy,
                machine.freezeWindow.map { "\($0) ms" } ?? "no",
                machine.hadDeadMan ? "armed" : "no", machine.platform,
            ])
        }
        var lines = [""] + table.lines
        for machine in machines {
            lines += machine.reasons.map { "\(machine.name): \($0)" }
            lines += machine.notes.map { "\(machine.name): \($0)" }
        }
        if let skew { lines.append("snapshots started within \(skew) ms") }
        return lines + [""]
    }
}

extension MachineSummary {
    var json: JSONValue {
        [
            "name": .string(name), "consistency": .string(consistency.rawValue),
            "policy": .string(policy), "platform": .string(platform),
            "freeze_window_ms": JSONValue(freezeWindow),
            "reasons": JSONValue(reasons), "notes": JSONValue(notes),
            "dead_man": .bool(hadDeadMan), "snapshot": JSONValue(snapshot),
            "volumes": JSONValue(volumes),
            "definition": JSONValue(definition),
        ]
    }
}
