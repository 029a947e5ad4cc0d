import Lifeboat
import LifeboatCore

extension Report {
    /// What `recover` says.
    init(_ result: RecoverResult) {
        json = [
            "point": JSONValue(result.point), "dry_run": .bool(result.isDryRun),
            "machines": .array(result.machines.map(\.json)),
            "obstacles": .array(result.obstacles.map { .string($0) }),
            "duration_seconds": .number(result.durationSeconds),
        ]
        lines = []
        for machine in result.machines {
            let origin = machine.name == machine.original ? "" : ", which was \(machine.original)"
            lines.append("machine \(machine.name)\(origin): \(machine.state)")
            for volume in machine.volumes {
                lines.append(
                    "  \(volume.target): \(ByteText.describe(volume.bytesWritten)) written, "
                        + "\(ByteText.describe(volume.bytesMatching)) matching, "
                        + "\(ByteText.describe(volume.bytesVerified)) verified")
            }
            for (phase, seconds) in machine.phases.sorted(by: { $0.value < $1.value }) {
                lines.append("  \(phase) after \(TimeText.elapsed(seconds))")
            }
            for check in machine.checks {
                lines.append(
                    "  check \(check.check): \(check.isPassed ? "passed" : "failed"): "
                        + check.detail)
            }
            if let fault = machine.fault { lines.append("  error: \(fault.description)") }
            for warning in machine.warnings { lines.append("  note: \(warning)") }
        }
        if result.isDryRun {
            for obstacle in result.obstacles { lines.append("in the way: \(obstacle)") }
            lines.append(
                result.obstacles.isEmpty
                    ? "point \(result.point.short) can be recovered; nothing was done"
                    : "point \(result.point.short) cannot be recovered as asked; nothing was done")
            status = result.obstacles.isEmpty ? .success : .refused
        } else {
            let failed = result.machines.filter { $0.fault != nil }.count
            lines.append(
                "point \(result.point.short) recovered in "
                    + TimeText.elapsed(result.durationSeconds)
                    + (failed > 0 ? ", but \(failed) of \(result.machines.count) failed" : ""))
            status = result.isWhole ? .success : .partlyDone
        }
    }
}

extension RecoverResult.Machine {
    fileprivate var json: JSONValue {
        [
            "original": .string(original), "name": .string(name), "uuid": .string(uuid),
            "state": .string(state), "volumes": .array(volumes.map(\.json)),
            "checks": .array(
                checks.map {
                    [
                        "check": .string($0.check), "passed": .bool($0.isPassed),
                        "detail": .string($0.detail), "seconds": .number($0.seconds),
                    ]
                }),
            "phases": .object(
                phases.sorted { $0.key < $1.key }.map {
                    .init(key: $0.key, value: .number($0.value))
                }),
            "error": fault.map { ErrorReport($0).members } ?? .null,
            "warnings": .array(warnings.map { .string($0) }),
        ]
    }
}
