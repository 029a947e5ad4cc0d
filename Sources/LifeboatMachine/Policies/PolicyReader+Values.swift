import LifeboatCore
import Yams

extension PolicyReader {
    func isNothing(_ node: Node) -> Bool {
        guard let scalar = node.scalar else { return false }
        return scalar.style == .plain && ["", "~", "null"].contains(scalar.string)
    }

    /// The names and values of a table, in their order.
    func table(_ node: Node, _ what: String) throws(LifeboatError) -> [(Name, Node)] {
        guard case .mapping(let mapping) = node else {
            throw fault(node, "\(what) is written as names with values")
        }
        var result: [(Name, Node)] = []
        for (key, value) in mapping {
            guard let text = key.scalar?.string else { throw fault(key, "a name is one word") }
            result.append((Name(text: text, node: key), value))
        }
        return result
    }

    func list(_ node: Node, _ what: String) throws(LifeboatError) -> [Node] {
        guard case .sequence(let sequence) = node else { throw fault(node, "\(what) is a list") }
        return Array(sequence)
    }

    func texts(_ node: Node, _ what: String) throws(LifeboatError) -> [String] {
        try list(node, what).map { item throws(LifeboatError) in
            guard let text = item.scalar?.string, !text.isEmpty else {
                throw fault(item, "\(what) is a list of words")
            }
            return text
        }
    }

    func flag(_ node: Node, _ what: String) throws(LifeboatError) -> Bool {
        switch node.scalar?.string {
        case "true", "yes": return true
        case "false", "no": return false
        default: throw fault(node, "\(what) is yes or no")
        }
    }

    func choice<Value: RawRepresentable & CaseIterable>(
        _ node: Node, _ what: String
    ) throws(LifeboatError) -> Value where Value.RawValue == String {
        guard let text = node.scalar?.string, let value = Value(rawValue: text) else {
            let known = Value.allCases.map(\.rawValue).joined(separator: ", ")
            throw fault(node, "\(what) is one of: \(known)")
        }
        return value
    }

    /// `500ms`, `20s`, `2m`, or a number of seconds.
    func seconds(_ node: Node, _ what: String) throws(LifeboatError) -> Double {
        let text = node.scalar?.string ?? ""
        let units: [(String, Double)] = [("ms", 0.001), ("s", 1), ("m", 60)]
        let unit = units.first { text.hasSuffix($0.0) } ?? ("", 1)
        let digits = text.dropLast(unit.0.utf8.count)
        guard digits.first?.isNumber == true, let number = Double(digits),
            (0.001...86_400).contains(number * unit.1)
        else { throw fault(node, "\(what) is a time such as 20s or 2m, of a day at most") }
        return number * unit.1
    }

    func bytes(_ node: Node, _ what: String) throws(LifeboatError) -> UInt64 {
        guard let text = node.scalar?.string, let bytes = ByteText.parse(text), bytes > 0 else {
            throw fault(node, "\(what) is a size such as 10GiB")
        }
        return bytes
    }

    // MARK: faults

    func unknown(_ name: Name, _ what: String, _ known: [String]) -> LifeboatError {
        fault(
            name.node, "\(what) has no setting \(name.text)",
            advice: "it may have: \(known.joined(separator: ", "))")
    }

    func fault(_ node: Node, _ message: String, advice: String? = nil) -> LifeboatError {
        let place = node.mark.map { "line \($0.line): " } ?? ""
        return LifeboatError(
            .usage, "\(path), \(place)\(message)", subject: path, advice: advice)
    }

    static func unreadable(_ error: any Error, path: String) -> LifeboatError {
        var line = ""
        var cause = "it is no YAML"
        switch error as? YamlError {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            line = ", line \(mark.line)"
            cause = problem
        case .duplicatedKeysInMapping: cause = "a name stands there twice"
        default: break
        }
        return LifeboatError(
            .usage, "\(path)\(line) cannot be read", subject: path, cause: cause)
    }
}
