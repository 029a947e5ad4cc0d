import Lifeboat
import LifeboatCore

extension Report {
    /// What `verify` says; `damaged` when it found problems.
    init(_ result: VerificationResult) {
        json = [
            "depth": .string(result.depth), "sound": .bool(result.problems.isEmpty),
            "points": JSONValue(result.points), "packs": .integer(result.packs),
            "bytes_read": .integer(result.bytesRead),
            "chunks_checked": .integer(result.chunksChecked),
            "problems": .array(result.problems.map(\.json)),
            "repaired": .array(
                result.repaired.map { object in
                    [
                        "object": .string(object.object), "message": .string(object.message),
                        "replica": .string(object.replica),
                    ]
                }), "recorded": .bool(result.isRecorded), "notes": JSONValue(result.notes),
            "duration_seconds": .number(result.durationSeconds),
        ]
        lines = result.repaired.map {
            "repaired: \($0.object) from replica \($0.replica): \($0.message)"
        }
        lines += result.problems.flatMap(\.lines)
        lines += result.notes.map { "note: \($0)" }
        var summary = result.problems.isEmpty ? "sound" : "\(result.problems.count) problems"
        summary += ": \(result.points) points, \(result.packs) packs"
        if result.chunksChecked > 0 { summary += ", \(result.chunksChecked) chunks" }
        summary += ", \(ByteText.describe(result.bytesRead)) read"
        summary += " in \(TimeText.elapsed(result.durationSeconds)) (\(result.depth))"
        lines.append(summary)
        if !result.isRecorded { lines.append("this verification could not be recorded") }
        status = result.problems.isEmpty ? .success : .damaged
    }

    /// What `index rebuild` says; `damaged` when packs could not be read.
    init(_ result: IndexRebuildResult) {
        json = [
            "packs": .integer(result.packs), "entries": .integer(result.entries),
            "runs": JSONValue(result.runs), "problems": .array(result.problems.map(\.json)),
        ]
        lines = result.problems.flatMap(\.lines)
        lines.append(
            "index rebuilt from \(result.packs) packs: \(result.entries) chunks"
                + " in \(result.runs) \(result.runs == 1 ? "run" : "runs")")
        status = result.problems.isEmpty ? .success : .damaged
    }
}

extension VerificationProblem {
    fileprivate var lines: [String] {
        var lines = ["problem: \(object): \(message)"]
        lines += affected.map { "  affected: \($0)" }
        if affected.isEmpty { lines.append("  affected: no point") }
        if isSetAside {
            lines.append("  set aside: the next backup stores again what it still has")
        }
        return lines
    }

    fileprivate var json: JSONValue {
        [
            "object": .string(object), "message": .string(message),
            "affected": JSONValue(affected), "set_aside": .bool(isSetAside),
        ]
    }
}
