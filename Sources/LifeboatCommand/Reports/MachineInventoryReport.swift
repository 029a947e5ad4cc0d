import Lifeboat
import LifeboatCore
import LifeboatMachine

extension Report {
    /// What `machines` says.
    init(inventory: MachineInventory) {
        json = [
            "uri": .string(inventory.uri), "platform": .string(inventory.platform),
            "machines": .array(inventory.machines.map(\.json)),
        ]
        var table = TextTable([
            .left("machine"), .left("state"), .left("disks"), .left("agent"), .left("level"),
            .left("source"),
        ])
        table.rows = inventory.machines.map { machine in
            let disks = machine.disks.filter { $0.omission == nil }
                .map { $0.name + ($0.isIncremental ? "" : " (\($0.format): read whole)") }
            return [
                machine.name, machine.state,
                disks.isEmpty ? "none" : disks.joined(separator: ", "), machine.agent.rawValue,
                machine.level.rawValue, machine.source,
            ]
        }
        lines = inventory.machines.isEmpty ? ["no machines at \(inventory.uri)"] : table.lines
    }

    /// What `machines track` and `machines untrack` say.
    init(tracking outcome: RawTracking.Outcome) {
        json = [
            "machine": .string(outcome.machine), "disk": .string(outcome.disk),
            "metadata": .string(outcome.metadata), "data": .string(outcome.data),
            "tracked": .bool(outcome.isTracked),
        ]
        lines =
            outcome.isTracked
            ? [
                "\(outcome.disk) of \(outcome.machine) keeps a record of changes in "
                    + outcome.metadata,
                "its data stay in \(outcome.data); the next backup reads all of it once more",
            ]
            : ["\(outcome.disk) of \(outcome.machine) is the raw disk \(outcome.data) again"]
    }

    /// What `doctor` says.
    init(findings: [MachineFinding]) {
        json = ["findings": .array(findings.map(\.json))]
        var table = TextTable([.left("severity"), .left("machine"), .left("finding")])
        for finding in findings {
            table.rows.append([
                finding.severity.rawValue, finding.machine ?? "this host", finding.message,
            ])
            if let advice = finding.advice { table.rows.append(["", "", "-> " + advice]) }
        }
        lines = table.lines
        status = findings.contains { $0.severity == .problem } ? .partlyDone : .success
    }
}

extension MachineInventory.Machine {
    fileprivate var json: JSONValue {
        [
            "machine": .string(name), "uuid": .string(uuid), "state": .string(state),
            "persistent": .bool(isPersistent), "agent": .string(agent.rawValue),
            "level": .string(level.rawValue), "disks": .array(disks.map(\.json)),
            "foreign_checkpoints": JSONValue(foreignCheckpoints), "source": .string(source),
        ]
    }
}

extension MachineInventory.Disk {
    fileprivate var json: JSONValue {
        [
            "disk": .string(name), "format": .string(format), "kind": .string(kind),
            "source": JSONValue(source), "size": .integer(size), "omission": JSONValue(omission),
            "incremental": .bool(isIncremental),
        ]
    }
}

extension MachineFinding {
    fileprivate var json: JSONValue {
        [
            "severity": .string(severity.rawValue), "check": .string(check),
            "machine": JSONValue(machine), "message": .string(message),
            "advice": JSONValue(advice),
        ]
    }
}
