/// An element of an XML document that can be changed and written again.
///
/// Attributes are written in the order of their names, so that equal elements give equal text.
struct XMLElementValue: Sendable, Equatable {
    var name: String
    var attributes: [String: String]
    var children: [XMLElementValue]
    var text: String

    init(
        _ name: String, _ attributes: [String: String] = [:], text: String = "",
        _ children: [XMLElementValue] = []
    ) {
        self.name = name
        self.attributes = attributes
        self.children = children
        self.text = text
    }

    init(_ tree: XMLTree) {
        self.init(
            tree.name, tree.attributes, text: tree.text, tree.children.map { XMLElementValue($0) })
    }

    /// The first child with this name; setting it replaces that one, adds one, or removes all.
    subscript(name: String) -> XMLElementValue? {
        get { children.first { $0.name == name } }
        set {
            guard let newValue else {
                children.removeAll { $0.name == name }
                return
            }
            if let index = children.firstIndex(where: { $0.name == name }) {
                children[index] = newValue
            } else {
                children.append(newValue)
            }
        }
    }

    func all(_ name: String) -> [XMLElementValue] { children.filter { $0.name == name } }

    mutating func remove(_ names: String...) {
        children.removeAll { names.contains($0.name) }
    }

    /// Changes every element below this one, the deepest first.
    mutating func forEachBelow(_ body: (inout XMLElementValue) -> Void) {
        for index in children.indices {
            children[index].forEachBelow(body)
            body(&children[index])
        }
    }

    /// The element as text, indented.
    func serialized(depth: Int = 0) -> String {
        let indent = String(repeating: "  ", count: depth)
        var result = indent + "<" + name
        for (key, value) in attributes.sorted(by: { $0.key < $1.key }) {
            result += " \(key)='\(XMLTree.escape(value))'"
        }
        if children.isEmpty {
            return result + (text.isEmpty ? "/>\n" : ">\(XMLTree.escape(text))</\(name)>\n")
        }
        result += ">"
        if !text.isEmpty { result += XMLTree.escape(text) }
        result += "\n"
        for child in children { result += child.serialized(depth: depth + 1) }
        return result + indent + "</\(name)>\n"
    }
}
