public import LifeboatCore

/// One part of a split recovery key, as a text that can be printed and typed in again:
/// formats/keys.md, "Parts of a recovery key".
///
/// Every line has a checksum that also covers which part of which set it belongs to, so that a
/// mistyped line, or one of another part, is named.
public struct RecoveryKeyPart: Equatable, Sendable {
    /// How many parts a recovery key can have.
    public static let largestCount = 16
    static let titleWords = ["lifeboat", "recovery", "key", "part"]
    static let codePrefix = "LIFEBOAT-RECOVERY-PART-0:"

    /// Random; tells the parts of one splitting from those of another.
    public let set: UInt16
    /// From 1.
    public let number: Int
    /// How many parts give the key back.
    public let needed: Int
    /// How many parts were made.
    public let total: Int
    public let repository: Identifier
    /// The 80 bytes of the part itself.
    ///
    /// Secret.
    public let bytes: [UInt8]

    /// Takes what a splitting gave; traps on numbers that none gives.
    public init(
        set: UInt16, number: Int, needed: Int, total: Int, repository: Identifier, bytes: [UInt8]
    ) {
        precondition(Self.areValid(number: number, needed: needed, total: total), "no such part")
        precondition(bytes.count == RecoveryKeyText.byteCount, "a recovery key has 80 bytes")
        self.set = set
        self.number = number
        self.needed = needed
        self.total = total
        self.repository = repository
        self.bytes = bytes
    }

    private static func areValid(number: Int, needed: Int, total: Int) -> Bool {
        1...largestCount ~= total && 1...total ~= number && 1...total ~= needed
    }

    /// The set's number as four digits.
    public var setText: String { Hex.encode([UInt8(set >> 8), UInt8(set & 255)]) }

    /// The content of a part's file.
    public var file: String { lines.joined(separator: "\n") + "\n" }

    /// The eight lines: title, set, repository, and five of the part itself.
    public var lines: [String] {
        let title = Self.titleWords.joined(separator: " ") + " \(number)"
        let header = "set \(setText) part \(number) of \(total) needed \(needed) "
        let content = repository.bytes + bytes
        let numbered = (1...6).map { line in
            ChecksummedLine.text(
                line, Array(content[(line - 1) * 16..<line * 16]), context: context(line))
        }
        return [title, header + ChecksummedLine.checksum(context(0))] + numbered
    }

    /// The content of the QR code: only characters of its alphanumeric mode.
    public var code: String {
        let content = Array(context(0).dropLast()) + repository.bytes + bytes
        return Self.codePrefix
            + (Hex.encode(content) + ChecksummedLine.checksum(content)).uppercased()
    }

    /// What the checksum of a line covers before the line's own bytes.
    private func context(_ line: Int) -> [UInt8] {
        Self.context(set: set, number: number, needed: needed, total: total, line: line)
    }

    static func context(
        set: UInt16, number: Int, needed: Int, total: Int, line: Int
    ) -> [UInt8] {
        [
            UInt8(set >> 8), UInt8(set & 255), UInt8(number), UInt8(needed), UInt8(total),
            UInt8(line),
        ]
    }
}
