/// Reads JSON in time proportional to its length, whoever wrote it.
///
/// Foundation's decoder takes minutes for a line of a guest that nests deeply.
struct JSONReader {
    private struct Fault: Error {}

    /// Chains of images nest as deep as they are long.
    private static let depthLimit = 256

    private let bytes: [UInt8]
    private var position = 0

    private init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// The value that the bytes are; `nil` where they are no JSON.
    static func read(_ bytes: [UInt8]) -> JSON? {
        var reader = JSONReader(bytes)
        guard let value = try? reader.value(depth: 0) else { return nil }
        reader.skipBlanks()
        return reader.position == bytes.count ? value : nil
    }

    private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func skipBlanks() {
        while let byte = next, [0x20, 0x09, 0x0A, 0x0D].contains(byte) { position += 1 }
    }

    private mutating func take(_ byte: Character) -> Bool {
        guard next == byte.asciiValue else { return false }
        position += 1
        return true
    }

    private mutating func expect(_ text: StaticString) throws(Fault) {
        for offset in 0..<text.utf8CodeUnitCount {
            guard next == text.utf8Start[offset] else { throw Fault() }
            position += 1
        }
    }

    private mutating func value(depth: Int) throws(Fault) -> JSON {
        guard depth < Self.depthLimit else { throw Fault() }
        skipBlanks()
        switch next {
        case UInt8(ascii: "{"): return .object(try object(depth))
        case UInt8(ascii: "["): return .array(try array(depth))
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"):
            try expect("true")
            return .bool(true)
        case UInt8(ascii: "f"):
            try expect("false")
            return .bool(false)
        case UInt8(ascii: "n"):
            try expect("null")
            return .null
        default: return try number()
        }
    }

    private mutating func object(_ depth: Int) throws(Fault) -> [String: JSON] {
        position += 1
        var members: [String: JSON] = [:]
        skipBlanks()
        if take("}") { return members }
        repeat {
            skipBlanks()
            guard next == UInt8(ascii: "\"") else { throw Fault() }
            let name = try string()
            skipBlanks()
            guard take(":") else { throw Fault() }
            members[name] = try value(depth: depth + 1)
            skipBlanks()
        } while take(",")
        guard take("}") else { throw Fault() }
        return members
    }

    private mutating func array(_ depth: Int) throws(Fault) -> [JSON] {
        position += 1
        var elements: [JSON] = []
        skipBlanks()
        if take("]") { return elements }
        repeat {
            elements.append(try value(depth: depth + 1))
            skipBlanks()
        } while take(",")
        guard take("]") else { throw Fault() }
        return elements
    }

    // MARK: strings

    private mutating func string() throws(Fault) -> String {
        position += 1
        var text: [UInt8] = []
        while let byte = next {
            position += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let string = String(validating: text, as: UTF8.self) else { throw Fault() }
                return string
            case UInt8(ascii: "\\"): try escape(into: &text)
            case 0..<0x20: throw Fault()
            default: text.append(byte)
            }
        }
        throw Fault()
    }

    private mutating func escape(into text: inout [UInt8]) throws(Fault) {
        guard let byte = next else { throw Fault() }
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"):
            var number = try hexadecimal()
            if (0xD800..<0xDC00).contains(number) {
                try expect("\\u")
                let low = try hexadecimal()
                guard (0xDC00..<0xE000).contains(low) else { throw Fault() }
                number = 0x10000 + (number - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(number) else { throw Fault() }
            text += Array(String(Character(scalar)).utf8)
        default: throw Fault()
        }
    }

    private mutating func hexadecimal() throws(Fault) -> UInt32 {
        guard position + 4 <= bytes.count else { throw Fault() }
        var number: UInt32 = 0
        for byte in bytes[position..<position + 4] {
            guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue else { throw Fault() }
            number = number << 4 | UInt32(digit)
        }
        position += 4
        return number
    }

    // MARK: numbers

    private mutating func number() throws(Fault) -> JSON {
        let start = position
        _ = take("-")
        let whole = try digits()
        // No zero in front of other digits.
        guard whole.count == 1 || whole.first != UInt8(ascii: "0") else { throw Fault() }
        var isWhole = true
        if take(".") {
            isWhole = false
            _ = try digits()
        }
        if take("e") || take("E") {
            isWhole = false
            if !take("+") { _ = take("-") }
            _ = try digits()
        }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        if isWhole, let integer = Int64(text) { return .integer(integer) }
        guard let number = Double(text), number.isFinite else { throw Fault() }
        return Int64(exactly: number).map(JSON.integer) ?? .number(number)
    }

    private mutating func digits() throws(Fault) -> ArraySlice<UInt8> {
        let start = position
        while let byte = next, (0x30...0x39).contains(byte) { position += 1 }
        guard position > start else { throw Fault() }
        return bytes[start..<position]
    }
}
