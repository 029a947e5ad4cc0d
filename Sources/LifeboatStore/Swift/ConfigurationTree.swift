internal import Yams

/// What a YAML or JSON file of settings holds: names, lists and texts.
///
/// Numbers and truth values stay the texts they are written as: a password may be `0123` or `no`.
enum ConfigurationTree: Equatable, Sendable {
    case text(String)
    case list([ConfigurationTree])
    case table([String: ConfigurationTree])
    case nothing

    /// Parses a file; JSON is YAML.
    init(parsing text: String) throws(ConfigurationFault) {
        let node: Node?
        do { node = try Yams.compose(yaml: text) } catch let error as YamlError {
            throw ConfigurationFault(error)
        } catch { throw ConfigurationFault(line: nil, "it cannot be parsed") }
        self = node.map(Self.init) ?? .nothing
    }

    private init(_ node: Node) {
        switch node {
        case .scalar(let scalar):
            let isNull = scalar.style == .plain && ["", "~", "null"].contains(scalar.string)
            self = isNull ? .nothing : .text(scalar.string)
        case .sequence(let sequence): self = .list(sequence.map(Self.init))
        case .mapping(let mapping):
            var own: [String: ConfigurationTree] = [:]
            var shared: [String: ConfigurationTree] = [:]
            for (key, value) in mapping {
                guard let name = key.scalar?.string else { continue }
                let part = ConfigurationTree(value)
                // What `<<` names counts where the table itself says nothing.
                guard name == "<<" else {
                    own[name] = part
                    continue
                }
                for source in [part] + part.list.reversed() { shared.merge(source.table) { $1 } }
            }
            self = .table(shared.merging(own) { $1 })
        case .alias: self = .nothing
        }
    }

    /// The part of this name, with underscores or hyphens; `nil` where there is none or it is
    /// empty.
    subscript(_ name: String) -> ConfigurationTree? {
        let hyphenated = String(name.map { $0 == "_" ? "-" : $0 })
        guard case .table(let table) = self, let value = table[name] ?? table[hyphenated],
            value != .nothing
        else { return nil }
        return value
    }

    /// The text, if it is one.
    var text: String? {
        if case .text(let text) = self { text } else { nil }
    }

    /// The members of a list.
    var list: [ConfigurationTree] {
        if case .list(let list) = self { list } else { [] }
    }

    /// The names of a table and their parts.
    var table: [String: ConfigurationTree] {
        if case .table(let table) = self { table } else { [:] }
    }

    /// This tree with what another one says instead or in addition, at any depth.
    func merged(with other: ConfigurationTree) -> ConfigurationTree {
        guard case .table(var table) = self, case .table(let additions) = other else {
            return other == .nothing ? self : other
        }
        table.merge(additions) { $0.merged(with: $1) }
        return .table(table)
    }
}

/// Why a file of settings cannot be read; never with a word of what is in it.
struct ConfigurationFault: Error {
    let line: Int?
    let reason: String

    init(line: Int?, _ reason: String) {
        self.line = line
        self.reason = reason
    }

    fileprivate init(_ error: YamlError) {
        // The library's own text quotes the lines around the fault, and they may hold passwords.
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            self.init(line: mark.line, problem)
        case .reader(let problem, _, _, _): self.init(line: nil, problem)
        case .duplicatedKeysInMapping: self.init(line: nil, "a name stands there twice")
        default: self.init(line: nil, "it cannot be parsed")
        }
    }
}
