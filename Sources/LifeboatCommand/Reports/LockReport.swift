import Lifeboat
import LifeboatCore

extension Report {
    /// What `lock extend` says.
    init(_ result: LockExtensionResult) {
        json = result.json
        lines = result.lines
    }

    /// What `lock status` says.
    init(_ result: LockStatusResult) {
        json = [
            "lock_ms": .integer(result.duration), "objects": JSONValue(result.objects),
            "bytes": .integer(result.bytes), "asked_objects": JSONValue(result.askedObjects),
            "unlocked_objects": JSONValue(result.unlockedObjects),
            "first_end": .time(result.firstEnd), "first_end_ms": JSONValue(result.firstEnd),
            "missing_objects": JSONValue(result.missingObjects),
            "meddled": .array(
                result.meddled.map { object in
                    [
                        "name": .string(object.name), "deleted": .bool(object.isDeleted),
                        "other_versions": JSONValue(object.otherVersions),
                    ]
                }),
        ]
        let duration =
            result.duration == 0
            ? "what is put is not locked"
            : "what is put is locked for " + TimeText.duration(Double(result.duration) / 1000)
        lines = [
            duration,
            "\(result.objects) objects, \(ByteText.describe(result.bytes)), have to stay locked",
            "asked of \(result.askedObjects): \(result.unlockedObjects) are not locked"
                + (result.firstEnd.map { ", the first lock ends " + TimeText.short($0) } ?? ""),
        ]
        if result.missingObjects > 0 {
            lines.append("\(result.missingObjects) objects are missing: see verify")
        }
        if result.meddled.isEmpty {
            lines.append("nobody deleted or overwrote anything")
        } else {
            let deleted = result.meddled.count(where: \.isDeleted)
            lines.append(
                "somebody deleted \(deleted) objects and overwrote "
                    + "\(result.meddled.count { $0.otherVersions > 0 }): what was stored first is "
                    + "read all the same; see lock restore")
            lines += result.meddled.prefix(20).map { object in
                SafeText.line(
                    "  \(object.name)\(object.isDeleted ? " deleted" : "")"
                        + (object.otherVersions > 0 ? " overwritten" : ""))
            }
        }
    }

    /// What `lock restore` says.
    init(_ result: LockRestorationResult) {
        json = [
            "restored_objects": JSONValue(result.restoredObjects),
            "hidden_objects": JSONValue(result.hiddenObjects),
        ]
        lines = ["\(result.restoredObjects) objects are in plain sight again"]
        if result.hiddenObjects > 0 {
            lines.append(
                "\(result.hiddenObjects) stay hidden from others, because what hides them is "
                    + "locked; lifeboat reads them")
        }
    }
}

extension LockExtensionResult {
    var json: JSONValue {
        [
            "objects": JSONValue(objects), "bytes": .integer(bytes),
            "extended_objects": JSONValue(extendedObjects),
            "failed_objects": JSONValue(failedObjects), "until": .time(until),
            "until_ms": .integer(until),
            "failure": failure.map { JSONValue.string($0.description) } ?? .null,
        ]
    }

    var lines: [String] {
        var lines = [
            "\(objects) objects, \(ByteText.describe(bytes)), are locked at least until "
                + "\(TimeText.short(until)); \(extendedObjects) locks were extended"
        ]
        if let failure {
            lines = ["\(failedObjects) objects could not be locked: \(failure.description)"]
        }
        return lines
    }
}
