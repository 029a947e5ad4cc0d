public import LifeboatCore

/// The recovery key as a text that can be printed and typed in again: formats/keys.md.
///
/// 80 bytes (repository, recovery seed, root seed) in five lines of 16, each with its number and
/// a checksum, so that a mistyped line is named.
public enum RecoveryKeyText {
    public static let byteCount = 80
    static let title = "lifeboat recovery key 0"
    static let codePrefix = "LIFEBOAT-RECOVERY-KEY-0:"

    /// The content of a recovery key file.
    public static func file(_ bytes: [UInt8]) -> String {
        ([title] + lines(bytes)).joined(separator: "\n") + "\n"
    }

    /// The five lines: number, eight groups of four digits, checksum.
    public static func lines(_ bytes: [UInt8]) -> [String] {
        precondition(bytes.count == byteCount, "a recovery key has 80 bytes")
        return (0..<5).map { number in
            let part = Array(bytes[number * 16..<number * 16 + 16])
            return ChecksummedLine.text(number + 1, part, context: [UInt8(number)])
        }
    }

    /// The content of the QR code: only characters of its alphanumeric mode.
    public static func code(_ bytes: [UInt8]) -> String {
        codePrefix + Hex.encode(bytes).uppercased()
    }

    /// Reads a file or the text of a QR code.
    ///
    /// - Throws: `.wrongKey` that names the line that cannot be right.
    public static func parse(_ text: String) throws(LifeboatError) -> [UInt8] {
        let rows = ChecksummedLine.lines(of: text)
        if rows.count == 1, rows[0].hasPrefix(codePrefix) {
            let digits = rows[0].dropFirst(codePrefix.count).filter { $0 != " " }
            guard let bytes = Hex.decode(digits), bytes.count == byteCount else {
                throw LifeboatError(.wrongKey, "the recovery key's code is incomplete")
            }
            return bytes
        }
        if let first = rows.first, RecoveryKeyPart.isTitle(first) || RecoveryKeyPart.isCode(first) {
            throw LifeboatError(
                .wrongKey, "this is one part of a recovery key",
                advice: "join the parts first: lifeboat key join")
        }
        guard rows.count == 6, rows[0].hasPrefix(title) else {
            throw LifeboatError(
                .wrongKey, "this is no recovery key: it should begin with \"\(title)\"",
                advice: "give the file that init wrote, or type its six lines into one")
        }
        var bytes: [UInt8] = []
        for number in 0..<5 {
            guard
                let part = ChecksummedLine.parse(
                    rows[number + 1], number + 1, context: [UInt8(number)])
            else {
                throw LifeboatError(
                    .wrongKey, "line \(number + 1) of the recovery key is mistyped",
                    advice: "compare it with the printed page")
            }
            bytes += part
        }
        return bytes
    }
}
