import LifeboatCore

/// 16 bytes as a line that a person types: its number, eight groups of four digits, a checksum.
enum ChecksummedLine {
    static let byteCount = 16

    /// The checksum is over `context`, which the line does not show, and the bytes.
    static func text(_ number: Int, _ bytes: [UInt8], context: [UInt8]) -> String {
        let groups = stride(from: 0, to: byteCount, by: 2).map { Hex.encode(bytes[$0..<$0 + 2]) }
        return "\(number) " + groups.joined(separator: " ") + " " + checksum(context + bytes)
    }

    /// The bytes of the line with this number; `nil` when it is mistyped or another one.
    static func parse(_ line: Substring, _ number: Int, context: [UInt8]) -> [UInt8]? {
        let parts = line.split(separator: " ")
        guard parts.count == 10, parts[0] == "\(number)",
            let bytes = Hex.decode(parts[1...8].joined()), bytes.count == byteCount,
            checksum(context + bytes) == parts[9].lowercased()
        else { return nil }
        return bytes
    }

    /// The lines that count: not empty, no comments, without leading spaces.
    static func lines(of text: String) -> [Substring] {
        var lines: [Substring] = []
        for line in text.split(whereSeparator: \.isNewline) {
            let trimmed = line.drop { $0 == " " }
            if !trimmed.isEmpty, !trimmed.hasPrefix("#") { lines.append(trimmed) }
        }
        return lines
    }

    /// CRC-16/CCITT-FALSE, as four digits.
    static func checksum(_ bytes: [UInt8]) -> String {
        var crc: UInt16 = 0xFFFF
        for byte in bytes {
            crc ^= UInt16(byte) << 8
            for _ in 0..<8 { crc = crc & 0x8000 != 0 ? crc << 1 ^ 0x1021 : crc << 1 }
        }
        return Hex.encode([UInt8(crc >> 8), UInt8(crc & 255)])
    }
}
