/// The name of a checkpoint or bitmap that Lifeboat made: `lifeboat-<line>-<snapshot>`.
///
/// Each disk's bitmap bears the name of its checkpoint.
struct SnapshotName: Sendable, Hashable {
    let line: String
    let snapshot: String

    static let prefix = "lifeboat-"

    init(line: String, snapshot: String) {
        self.line = line
        self.snapshot = snapshot
    }

    /// - Returns: `nil` for every name that is none of ours.
    init?(_ text: String) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == "lifeboat", Self.isHex(parts[1], 8),
            Self.isHex(parts[2], 16)
        else { return nil }
        self.init(line: String(parts[1]), snapshot: String(parts[2]))
    }

    var text: String { "\(Self.prefix)\(line)-\(snapshot)" }

    private static func isHex(_ text: Substring, _ count: Int) -> Bool {
        text.utf8.count == count
            && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }
}
