import LifeboatCore

/// A machine's name as a part of a file's name, such that no two names give the same part.
///
/// Letters of English, digits, `-`, `.` and `_` stay; every other byte becomes `%` and two digits.
enum MachineFileName {
    /// A file's name has 255 bytes at most, and something stands before and behind this.
    private static let limit = 180
    /// So many stay of what is longer; `~`, which is in no other, and a checksum of all follow.
    private static let kept = 140

    static func encode(_ name: String) -> String {
        let text = name.utf8.map { byte in
            isPlain(byte) ? String(UnicodeScalar(byte)) : "%\(Hex.encode([byte]))"
        }.joined()
        guard text.utf8.count > limit else { return text }
        return "\(text.prefix(kept))~\(checksum(name, 0xcbf2_9ce4_8422_2325))"
            + checksum(name, 0x6295_c58d_62b8_2175)
    }

    /// The name again; of one that was too long, what stayed of it.
    static func decode(_ text: String) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.count >= 2,
                let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"): true
        default: false
        }
    }

    /// FNV-1a of 64 bits: two of them from different starts tell apart what nobody forges.
    private static func checksum(_ name: String, _ start: UInt64) -> String {
        var sum = start
        for byte in name.utf8 { sum = (sum ^ UInt64(byte)) &* 0x100_0000_01b3 }
        let digits = String(sum, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
