/// The name of an object in a store, such as `packs/ab/abcd…`.
///
/// - Shape: components of `a`-`z`, `0`-`9`, `.`, `_` and `-`, joined by slashes; none is empty, `.`
///   or `..`; at most 200 bytes each and 1,000 in all.
/// - The first component is never `tmp`: directory stores keep their temporaries there.
public struct ObjectName: Hashable, Sendable {
    /// The whole name.
    public let path: String

    private static let componentLimit = 200
    private static let pathLimit = 1000

    /// Takes a name that the program made.
    ///
    /// Names from outside go through `init(validating:)`.
    public init(_ path: String) {
        precondition(Self.isValid(path), "\(path) is no object name")
        self.path = path
    }

    /// Takes a name if it is one.
    public init?(validating path: String) {
        guard Self.isValid(path) else { return nil }
        self.path = path
    }

    /// The name up to the last slash; empty where there is none.
    public var folder: String {
        path.lastIndex(of: "/").map { String(path[..<$0]) } ?? ""
    }

    private static func isValid(_ path: String) -> Bool {
        guard path.utf8.count <= pathLimit else { return false }
        let components = path.utf8.split(
            separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        guard let first = components.first, !first.elementsEqual("tmp".utf8) else { return false }
        return components.allSatisfy(isComponent)
    }

    private static func isComponent(_ text: Substring.UTF8View) -> Bool {
        guard !text.isEmpty, text.count <= componentLimit else { return false }
        guard !text.elementsEqual(".".utf8), !text.elementsEqual("..".utf8) else { return false }
        return text.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                true
            default: false
            }
        }
    }
}

extension ObjectName: Comparable {
    public static func < (left: ObjectName, right: ObjectName) -> Bool { left.path < right.path }
}

extension ObjectName: ExpressibleByStringLiteral {
    public init(stringLiteral value: String) { self.init(value) }
}

extension ObjectName: CustomStringConvertible {
    public var description: String { path }
}
