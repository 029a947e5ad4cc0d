public import LifeboatCore

/// The subset of deterministic CBOR (RFC 8949, section 4.2.1) that Lifeboat's small objects use.
///
/// Unsigned integers, byte strings, text, arrays, booleans, and maps whose keys are unsigned
/// integers in ascending order. Every value has exactly one encoding; decoding refuses all others.
public enum CBOR: Hashable, Sendable {
    case unsigned(UInt64)
    case bytes([UInt8])
    case text(String)
    case array([CBOR])
    case map([UInt64: CBOR])
    case boolean(Bool)

    /// How deep values may nest: more than any object needs, less than a stack holds.
    static let depthLimit = 12

    /// The one encoding of this value.
    public func encoded() -> [UInt8] {
        var output: [UInt8] = []
        append(to: &output)
        return output
    }

    private func append(to output: inout [UInt8]) {
        switch self {
        case .unsigned(let value):
            Self.appendHead(0, value, to: &output)
        case .bytes(let bytes):
            Self.appendHead(2, UInt64(bytes.count), to: &output)
            output += bytes
        case .text(let text):
            let bytes = Array(text.utf8)
            Self.appendHead(3, UInt64(bytes.count), to: &output)
            output += bytes
        case .array(let values):
            Self.appendHead(4, UInt64(values.count), to: &output)
            for value in values { value.append(to: &output) }
        case .map(let fields):
            Self.appendHead(5, UInt64(fields.count), to: &output)
            for (key, value) in fields.sorted(by: { $0.key < $1.key }) {
                Self.appendHead(0, key, to: &output)
                value.append(to: &output)
            }
        case .boolean(let value):
            output.append(value ? 0xF5 : 0xF4)
        }
    }

    private static func appendHead(_ major: UInt8, _ value: UInt64, to output: inout [UInt8]) {
        let top = major << 5
        let width: Int
        switch value {
        case 0..<24:
            output.append(top | UInt8(value))
            return
        case 24..<0x100: (width, _) = (1, output.append(top | 24))
        case 0x100..<0x1_0000: (width, _) = (2, output.append(top | 25))
        case 0x1_0000..<0x1_0000_0000: (width, _) = (4, output.append(top | 26))
        default: (width, _) = (8, output.append(top | 27))
        }
        for shift in (0..<width).reversed() {
            output.append(UInt8(truncatingIfNeeded: value >> (8 * UInt64(shift))))
        }
    }

    /// Decodes one value that fills `bytes` exactly.
    ///
    /// - Throws: `.damaged` with the offset for anything that `encoded()` would not have written.
    public static func decode(_ bytes: [UInt8]) throws(LifeboatError) -> CBOR {
        var decoder = CBORDecoder(bytes: bytes)
        let value = try decoder.value(depth: 0)
        guard decoder.position == bytes.count else {
            throw decoder.fault("\(bytes.count - decoder.position) bytes too many")
        }
        return value
    }
}

private struct CBORDecoder {
    let bytes: [UInt8]
    var position = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    func fault(_ what: String) -> LifeboatError {
        LifeboatError(.damaged, "malformed CBOR at byte \(position): \(what)")
    }

    mutating func value(depth: Int) throws(LifeboatError) -> CBOR {
        guard depth < CBOR.depthLimit else { throw fault("nested too deeply") }
        guard position < bytes.count else { throw fault("ends early") }
        let initial = bytes[position]
        if initial == 0xF4 || initial == 0xF5 {
            position += 1
            return .boolean(initial == 0xF5)
        }
        let (major, argument) = try head()
        switch major {
        case 0: return .unsigned(argument)
        case 2: return .bytes(Array(try take(argument)))
        case 3:
            let piece = try take(argument)
            guard let text = String(validating: piece, as: UTF8.self) else {
                throw fault("text is not UTF-8")
            }
            return .text(text)
        case 4:
            try checkCount(argument)
            var values: [CBOR] = []
            for _ in 0..<argument { values.append(try value(depth: depth + 1)) }
            return .array(values)
        case 5:
            try checkCount(argument)
            return .map(try fields(argument, depth: depth + 1))
        default: throw fault("type \(major) is not used here")
        }
    }

    private mutating func fields(
        _ count: UInt64, depth: Int
    ) throws(LifeboatError) -> [UInt64: CBOR] {
        var result: [UInt64: CBOR] = [:]
        var last: UInt64?
        for _ in 0..<count {
            let (major, key) = try head()
            guard major == 0 else { throw fault("a map key is not a number") }
            if let last, key <= last { throw fault("map keys are not ascending") }
            last = key
            result[key] = try value(depth: depth)
        }
        return result
    }

    // Every element takes at least one byte, so a count beyond the rest is a lie; checking it
    // first keeps a few hostile bytes from asking for gigabytes.
    private func checkCount(_ count: UInt64) throws(LifeboatError) {
        guard count <= UInt64(bytes.count - position) else { throw fault("count beyond the end") }
    }

    private mutating func take(_ count: UInt64) throws(LifeboatError) -> ArraySlice<UInt8> {
        try checkCount(count)
        defer { position += Int(count) }
        return bytes[position..<position + Int(count)]
    }

    private mutating func head() throws(LifeboatError) -> (UInt8, UInt64) {
        guard position < bytes.count else { throw fault("ends early") }
        let initial = bytes[position]
        let low = initial & 31
        let width: Int
        switch low {
        case 0..<24:
            position += 1
            return (initial >> 5, UInt64(low))
        case 24: width = 1
        case 25: width = 2
        case 26: width = 4
        case 27: width = 8
        default: throw fault("indefinite or reserved length")
        }
        guard position + 1 + width <= bytes.count else { throw fault("ends early") }
        var value: UInt64 = 0
        for index in 1...width { value = value << 8 | UInt64(bytes[position + index]) }
        let smallest: UInt64 = width == 1 ? 24 : 1 << UInt64(4 * width)
        guard value >= smallest else { throw fault("a number is not in its shortest form") }
        position += 1 + width
        return (initial >> 5, value)
    }
}
