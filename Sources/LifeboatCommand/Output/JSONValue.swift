import LifeboatCore

/// A JSON value whose members keep their order, so that output is the same for the same result.
enum JSONValue: Equatable, Sendable {
    case null
    case bool(Bool)
    case integer(UInt64)
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object([Member])

    struct Member: Equatable, Sendable {
        var key: String
        var value: JSONValue
    }

    /// The value on one line.
    var text: String {
        switch self {
        case .null: "null"
        case .bool(let value): value ? "true" : "false"
        case .integer(let value): String(value)
        case .number(let value): Self.render(value)
        case .string(let value): Self.quote(value)
        case .array(let values): "[" + values.map(\.text).joined(separator: ",") + "]"
        case .object(let members):
            "{" + members.map { Self.quote($0.key) + ":" + $0.value.text }.joined(separator: ",")
                + "}"
        }
    }

    /// Six places after the point are enough for seconds and ratios, and stay readable.
    private static func render(_ value: Double) -> String {
        guard value.isFinite else { return "null" }
        let rounded = (value * 1e6).rounded() / 1e6
        return (rounded.isFinite ? rounded : value).description
    }

    /// Escapes what JSON demands, control characters and the two line separators.
    private static func quote(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            default:
                let value = scalar.value
                if value < 0x20 || (0x7F..<0xA0).contains(value)
                    || value == 0x2028 || value == 0x2029
                {
                    let digits = String(value, radix: 16)
                    result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                } else {
                    result.unicodeScalars.append(scalar)
                }
            }
        }
        return result + "\""
    }
}

extension JSONValue: ExpressibleByDictionaryLiteral, ExpressibleByStringLiteral {
    init(dictionaryLiteral elements: (String, JSONValue)...) {
        self = .object(elements.map { Member(key: $0.0, value: $0.1) })
    }

    init(stringLiteral value: String) { self = .string(value) }

    init(_ value: String?) { self = value.map(JSONValue.string) ?? .null }
    init(_ value: Digest?) { self = value.map { .string($0.hex) } ?? .null }
    init(_ value: Identifier) { self = .string(value.hex) }
    init(_ value: UInt64?) { self = value.map(JSONValue.integer) ?? .null }
    init(_ value: Int) { self = .integer(UInt64(clamping: value)) }
    init(_ value: Double?) { self = value.map(JSONValue.number) ?? .null }
    init(_ value: [String]) { self = .array(value.map(JSONValue.string)) }

    /// Members sorted by key.
    init(_ value: [String: String]) {
        self = .object(
            value.sorted { $0.key < $1.key }.map { Member(key: $0.key, value: .string($0.value)) })
    }

    /// RFC 3339 text of milliseconds since 1970.
    static func time(_ milliseconds: UInt64?) -> JSONValue {
        JSONValue(milliseconds.map { TimeText.exact($0) })
    }
}
