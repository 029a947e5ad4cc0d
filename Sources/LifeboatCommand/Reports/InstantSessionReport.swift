import Lifeboat
import LifeboatCore

extension Report {
    /// What `recover --detach` says.
    init(_ result: BackgroundRecovery) {
        json = [
            "session": JSONValue(result.session), "keeper": JSONValue(Int(result.keeper)),
            "log": .string(result.log),
            "machines": .array(result.machines.map { .string($0) }),
        ]
        lines = result.machines.map { "machine \($0): running" }
        if let session = result.session {
            lines.append("session \(session): process \(result.keeper) copies the disks")
        } else {
            lines.append("the disks are whole already")
        }
        lines.append("it writes what it does to \(result.log)")
    }

    /// What `recover --sessions` says.
    init(instantSessions sessions: [InstantSessionStatus]) {
        json = ["sessions": .array(sessions.map(\.json))]
        lines = sessions.isEmpty ? ["no session"] : []
        for session in sessions {
            let keeper = session.keeper.map { ", process \($0)" } ?? ""
            lines.append(
                "session \(session.session) of point \(session.point.short): \(session.state)"
                    + keeper)
            for machine in session.machines {
                lines.append("  machine \(machine.name): \(machine.state)")
                for disk in machine.disks {
                    let size = ByteText.describe(disk.size)
                    lines.append("    \(disk.target), \(size): \(disk.text)")
                }
            }
            if let log = session.log { lines.append("  log: \(log)") }
            if session.keeper == nil {
                lines.append(
                    "  go on with: lifeboat recover --resume-session \(session.session)")
            }
        }
    }
}

extension InstantSessionStatus.Disk {
    fileprivate var text: String {
        if isWhole == true { return "whole" }
        if let copied { return "\(Int(copied * 100)) % copied" }
        return isWhole == nil ? "unknown" : "waits to be copied"
    }
}

extension InstantSessionStatus {
    fileprivate var json: JSONValue {
        [
            "session": .string(session), "point": JSONValue(point), "state": .string(state),
            "keeper": keeper.map { JSONValue(Int($0)) } ?? .null, "log": JSONValue(log),
            "machines": .array(
                machines.map { machine in
                    [
                        "name": .string(machine.name), "uuid": .string(machine.uuid),
                        "state": .string(machine.state),
                        "disks": .array(
                            machine.disks.map { disk in
                                [
                                    "target": .string(disk.target), "path": .string(disk.path),
                                    "size": JSONValue(disk.size),
                                    "whole": disk.isWhole.map(JSONValue.bool) ?? .null,
                                    "copied": JSONValue(disk.copied),
                                ]
                            }),
                    ]
                }),
        ]
    }
}
