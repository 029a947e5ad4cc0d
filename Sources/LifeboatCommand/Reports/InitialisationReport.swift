import Lifeboat
import LifeboatCore

extension Report {
    /// What `init` says: above all, what to do with the recovery key now.
    init(_ result: InitialisationResult, page: String?) {
        json = [
            "repository": JSONValue(result.repository), "location": .string(result.location),
            "chunk_size": JSONValue(result.chunkSize), "fingerprint": .string(result.fingerprint),
            "recovery_key_file": .string(result.recoveryKeyFile), "recovery_page": JSONValue(page),
        ]
        status = page == nil ? .partlyDone : .success
        let chunk = ByteText.describe(UInt64(clamping: result.chunkSize))
        lines = [
            "repository   \(result.repository.hex)",
            "location     \(result.location)",
            "chunk size   \(chunk)",
            "fingerprint  \(result.fingerprint)",
            "",
            "The recovery key is in \(result.recoveryKeyFile)",
        ]
        if let page { lines.append("and, as a page to print, in \(page)") }
        lines += [
            "",
            "Only this key can read back what is stored here: this host stores, but cannot read.",
            "Without it every backup is lost. Whoever has it and the repository can read all.",
            "",
            "Do this now:",
        ]
        lines += steps(result.recoveryKeyFile, page: page)
    }
}

/// What to do with a new recovery key.
func steps(_ key: String, page: String?) -> [String] {
    guard let page else {
        return [
            "  1. Copy \(key) to a safe place that is not this machine, and print it.",
            "  2. Check that a copy is readable, then delete \(key) here.",
        ]
    }
    return [
        "  1. Open \(page) in a browser and print it; keep the paper in a safe place.",
        "  2. Move \(key) to a medium that is kept away from this machine.",
        "  3. Delete both files here: a thief of this machine then cannot read your backups.",
    ]
}
