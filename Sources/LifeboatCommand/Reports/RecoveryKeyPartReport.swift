import Lifeboat
import LifeboatCore

extension Report {
    /// What `key split` says; a page is `nil` where it could not be written.
    init(split result: RecoveryKeySplitResult, pages: [String?], recoveryKeyFile: String) {
        json = [
            "repository": JSONValue(result.repository), "set": .string(result.set),
            "needed": JSONValue(result.needed), "total": JSONValue(result.parts.count),
            "parts": .array(
                zip(result.parts, pages).map { part, page in
                    [
                        "part": JSONValue(part.number), "file": .string(part.file),
                        "page": JSONValue(page),
                    ]
                }),
        ]
        status = pages.contains(nil) ? .partlyDone : .success
        lines = [
            "repository  \(result.repository.hex)",
            "set         \(result.set)",
            "parts       \(result.parts.count), of which \(result.needed) make the recovery key",
            "",
        ]
        for (part, page) in zip(result.parts, pages) {
            lines.append("  part \(part.number): \(part.file)" + (page.map { ", \($0)" } ?? ""))
        }
        lines += [
            "",
            "Do this now:",
            "  1. Print the pages or move the files: each part to another place or person.",
            "  2. Try what you gave out with key join, then delete all files of the parts here.",
            "  3. \(recoveryKeyFile) still opens everything alone: keep it safe, or destroy it.",
        ]
        if result.needed == 1 {
            lines.append("One part is enough: each of them is a copy of the recovery key.")
        }
    }

    /// What `key join` says.
    init(join result: RecoveryKeyJoinResult) {
        json = [
            "repository": JSONValue(result.repository), "set": .string(result.set),
            "needed": JSONValue(result.needed), "total": JSONValue(result.total),
            "parts": .array(result.parts.map { JSONValue($0) }),
            "recovery_key_file": .string(result.recoveryKeyFile),
        ]
        let numbers = result.parts.map(String.init).joined(separator: ", ")
        lines = [
            "parts \(numbers) of set \(result.set) make the recovery key of repository "
                + result.repository.hex,
            "The recovery key is in \(result.recoveryKeyFile)",
        ]
    }
}
