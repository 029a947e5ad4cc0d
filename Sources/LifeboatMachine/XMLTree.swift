internal import Foundation
internal import FoundationXML

/// An element of an XML document, read whole.
///
/// Namespaces are kept as prefixes; comments and processing instructions are dropped.
public final class XMLTree: Sendable {
    public let name: String
    public let attributes: [String: String]
    public let children: [XMLTree]
    /// The text directly inside, without blanks at its ends.
    public let text: String

    public init(
        name: String, attributes: [String: String] = [:], children: [XMLTree] = [],
        text: String = ""
    ) {
        self.name = name
        self.attributes = attributes
        self.children = children
        self.text = text
    }

    /// The first child with this name.
    public subscript(name: String) -> XMLTree? { children.first { $0.name == name } }

    /// All children with this name.
    public func all(_ name: String) -> [XMLTree] { children.filter { $0.name == name } }

    public func attribute(_ name: String) -> String? { attributes[name] }

    /// The root element; `nil` where it is no XML.
    public static func parse(_ text: String) -> XMLTree? {
        let parser = XMLParser(data: Data(text.utf8))
        parser.shouldResolveExternalEntities = false
        let builder = Builder()
        parser.delegate = builder
        guard parser.parse(), builder.open.isEmpty else { return nil }
        return builder.root
    }

    /// Escapes what must not stand in text or in attributes.
    public static func escape(_ text: String) -> String {
        var result = ""
        for character in text.unicodeScalars {
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "'": result += "&apos;"
            case "\"": result += "&quot;"
            default: result.unicodeScalars.append(character)
            }
        }
        return result
    }

    private final class Builder: NSObject, XMLParserDelegate {
        struct Open {
            var name: String
            var attributes: [String: String]
            var children: [XMLTree] = []
            var text = ""
        }
        var open: [Open] = []
        var root: XMLTree?
        private static let depthLimit = 64

        func parser(
            _ parser: XMLParser, didStartElement elementName: String, namespaceURI: String?,
            qualifiedName: String?, attributes: [String: String]
        ) {
            guard open.count < Self.depthLimit else {
                parser.abortParsing()
                return
            }
            open.append(Open(name: elementName, attributes: attributes))
        }

        func parser(_ parser: XMLParser, foundCharacters string: String) {
            guard !open.isEmpty else { return }
            open[open.count - 1].text += string
        }

        func parser(
            _ parser: XMLParser, didEndElement elementName: String, namespaceURI: String?,
            qualifiedName: String?
        ) {
            guard let last = open.popLast() else { return }
            let node = XMLTree(
                name: last.name, attributes: last.attributes, children: last.children,
                text: last.text.trimmingCharacters(in: .whitespacesAndNewlines))
            if open.isEmpty {
                root = node
            } else {
                open[open.count - 1].children.append(node)
            }
        }
    }
}
