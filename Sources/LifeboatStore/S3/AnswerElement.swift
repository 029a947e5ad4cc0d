internal import Foundation
internal import FoundationXML

/// An element of a store's XML answer.
///
/// Answers come from outside: what has a document type, and so could have entities, what is nested
/// deeply and what is not UTF-8 is refused.
struct AnswerElement: Equatable {
    /// Without a namespace's prefix.
    var name: String
    var text = ""
    var children: [AnswerElement] = []

    /// The first child of a name.
    subscript(_ name: String) -> AnswerElement? { children.first { $0.name == name } }

    /// All children of a name.
    func all(_ name: String) -> [AnswerElement] { children.filter { $0.name == name } }

    /// The answer's outermost element; `nil` if it is no answer that can be trusted to be read.
    static func parse(_ bytes: [UInt8]) -> AnswerElement? {
        guard isPlain(bytes) else { return nil }
        let reader = AnswerReader()
        let parser = XMLParser(data: Data(bytes))
        parser.shouldResolveExternalEntities = false
        parser.delegate = reader
        guard parser.parse(), !reader.hasFailed else { return nil }
        return reader.root
    }

    /// Whether it is UTF-8 without declarations of its own.
    private static func isPlain(_ bytes: [UInt8]) -> Bool {
        guard !bytes.contains(0), String(validating: bytes, as: UTF8.self) != nil else {
            return false
        }
        let text = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? bytes.dropFirst(3) : bytes[...]
        if text.starts(with: "<?xml".utf8) {
            let head = String(decoding: text.prefix { $0 != UInt8(ascii: ">") }, as: UTF8.self)
                .lowercased()
            let isUnicode = ["utf-8", "us-ascii"].contains(where: head.contains)
            if head.contains("encoding"), !isUnicode { return false }
        }
        var rest = text
        while let mark = rest.firstIndex(of: UInt8(ascii: "<")) {
            rest = rest[(mark + 1)...]
            guard rest.first == UInt8(ascii: "!") else { continue }
            guard rest.starts(with: "!--".utf8) || rest.starts(with: "![CDATA[".utf8) else {
                return false
            }
        }
        return true
    }
}

private final class AnswerReader: NSObject, XMLParserDelegate {
    private static let depthLimit = 10
    private static let elementLimit = 50_000

    private(set) var root: AnswerElement?
    private(set) var hasFailed = false
    private var open: [AnswerElement] = []
    private var count = 0

    func parser(
        _ parser: XMLParser, didStartElement name: String, namespaceURI: String?,
        qualifiedName: String?, attributes: [String: String]
    ) {
        count += 1
        guard open.count < Self.depthLimit, count <= Self.elementLimit else { return fail(parser) }
        let local = name.split(separator: ":").last.map(String.init) ?? name
        open.append(AnswerElement(name: local))
    }

    func parser(_ parser: XMLParser, foundCharacters text: String) {
        if !open.isEmpty { open[open.count - 1].text += text }
    }

    func parser(_ parser: XMLParser, foundCDATA block: Data) {
        if !open.isEmpty { open[open.count - 1].text += String(decoding: block, as: UTF8.self) }
    }

    func parser(
        _ parser: XMLParser, didEndElement name: String, namespaceURI: String?,
        qualifiedName: String?
    ) {
        guard let element = open.popLast() else { return fail(parser) }
        if open.isEmpty {
            root = element
        } else {
            open[open.count - 1].children.append(element)
        }
    }

    func parser(_ parser: XMLParser, parseErrorOccurred error: any Error) { hasFailed = true }

    private func fail(_ parser: XMLParser) {
        hasFailed = true
        parser.abortParsing()
    }
}
