internal import LifeboatCore

/// All links that a file describes.
struct LinkBook: Hashable, Sendable {
    /// By name, sorted.
    let links: [Link]

    static let none = LinkBook()

    private init() { links = [] }

    /// Parses a file of links.
    /// - Throws: `.usage` with the place of the fault.
    init(parsing bytes: [UInt8], path: String) throws(LifeboatError) {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw LifeboatError(.usage, "\(path) is not in UTF-8", subject: path)
        }
        let tree: ConfigurationTree
        do throws(ConfigurationFault) { tree = try ConfigurationTree(parsing: text) } catch {
            let line = error.line.map { " in line \($0)" } ?? ""
            throw LifeboatError(
                .usage, "\(path) cannot be read\(line)", subject: path, cause: error.reason)
        }
        let reader = LinkReader(path: path)
        links = try reader.links(tree)
    }

    /// The link of a name.
    subscript(_ name: String) -> Link? { links.first { $0.name == name } }

    /// The link that carries a store: of several the one that says so most closely.
    func link(to target: LinkTarget) -> Link? {
        var best: (link: Link, rank: (Int, Int))?
        for link in links {
            for carriage in link.carries where carriage.carries(target) {
                if let best, best.rank >= carriage.rank { continue }
                best = (link, carriage.rank)
            }
        }
        return best?.link
    }
}

/// Makes links of what a file says.
private struct LinkReader {
    let path: String

    private static let known: Set = [
        "carries", "upload", "download", "windows", "source-address", "interface", "spool",
    ]
    private static let knownOfSpool: Set = ["directory", "size", "when", "counts"]

    func links(_ tree: ConfigurationTree) throws(LifeboatError) -> [Link] {
        if tree == .nothing { return [] }
        guard Set(tree.table.keys) == ["links"], let table = tree["links"]?.table, !table.isEmpty
        else { throw fault("it must have links: and below it names") }
        var links: [Link] = []
        var carried: [LinkCarriage: String] = [:]
        for (name, part) in table.sorted(by: { $0.key < $1.key }) {
            let link = try link(name, part)
            for carriage in link.carries {
                guard let other = carried.updateValue(name, forKey: carriage) else { continue }
                throw fault(
                    other == name
                        ? "link \(name) carries \(carriage) twice"
                        : "links \(other) and \(name) both carry \(carriage)")
            }
            links.append(link)
        }
        return links
    }

    private func link(
        _ name: String, _ tree: ConfigurationTree
    ) throws(LifeboatError) -> Link {
        guard Link.isName(name) else {
            throw fault("\(name) cannot be a link's name: use letters, digits and - _ .")
        }
        try refuse(tree, Self.known, "link \(name)")
        var link = Link(name: name, carries: [])
        for text in try texts(tree["carries"], "carries", name) {
            guard let carriage = LinkCarriage(text) else {
                throw fault(
                    "link \(name) carries \(text), which is neither a host nor the beginning of an"
                        + " s3: or swift: location")
            }
            link.carries.append(carriage)
        }
        guard !link.carries.isEmpty else { throw fault("link \(name) carries nothing") }
        link.upload = try rate(tree["upload"], "upload", name)
        link.download = try rate(tree["download"], "download", name)
        for text in try texts(tree["windows"], "windows", name) {
            guard let window = TrafficWindow(text) else {
                throw fault(
                    "link \(name) has the window \(text): write it like mon-fri 08:00-18:00 20MB/s")
            }
            link.windows.append(window)
        }
        link.sourceAddress = try text(tree["source_address"], "source-address", name)
        link.interface = try text(tree["interface"], "interface", name)
        if link.sourceAddress != nil, link.interface != nil {
            throw fault("link \(name) has a source address and an interface: give one of them")
        }
        link.spool = try tree["spool"].map { part throws(LifeboatError) in
            try spool(part, name)
        }
        return link
    }

    private func spool(
        _ tree: ConfigurationTree, _ name: String
    ) throws(LifeboatError) -> SpoolSettings {
        try refuse(tree, Self.knownOfSpool, "the spool of link \(name)")
        guard let directory = try text(tree["directory"], "the spool's directory", name),
            directory.hasPrefix("/")
        else { throw fault("the spool of link \(name) needs a directory, with its whole path") }
        guard let text = tree["size"]?.text, let size = ByteText.parse(text), size > 0 else {
            throw fault("the spool of link \(name) needs a size, such as 50GiB")
        }
        var settings = SpoolSettings(directory: directory, size: size)
        if let part = tree["when"] {
            guard let occasion = part.text.flatMap(SpoolSettings.Occasion.init) else {
                throw fault("when of the spool of link \(name) is suspended or unreachable")
            }
            settings.occasion = occasion
        }
        if let part = tree["counts"] {
            guard let text = part.text, ["yes", "no", "true", "false"].contains(text) else {
                throw fault("counts of the spool of link \(name) is yes or no")
            }
            settings.counts = ["yes", "true"].contains(text)
        }
        return settings
    }

    private func refuse(
        _ tree: ConfigurationTree, _ known: Set<String>, _ what: String
    ) throws(LifeboatError) {
        let names = Set(tree.table.keys.map { String($0.map { $0 == "_" ? "-" : $0 }) })
        if let unknown = names.subtracting(known).sorted().first {
            throw fault(
                "\(what) has \(unknown), but only \(known.sorted().joined(separator: ", "))"
                    + " can stand there")
        }
    }

    /// One text, or a list of them.
    private func texts(
        _ tree: ConfigurationTree?, _ what: String, _ name: String
    ) throws(LifeboatError) -> [String] {
        guard let tree else { return [] }
        if let text = tree.text { return [text] }
        let texts = tree.list.compactMap(\.text)
        guard case .list = tree, texts.count == tree.list.count else {
            throw fault("\(what) of link \(name) must be a list of texts")
        }
        return texts
    }

    private func text(
        _ tree: ConfigurationTree?, _ what: String, _ name: String
    ) throws(LifeboatError) -> String? {
        guard let tree else { return nil }
        guard let text = tree.text, !text.isEmpty else {
            throw fault("\(what) of link \(name) must be a text")
        }
        return text
    }

    private func rate(
        _ tree: ConfigurationTree?, _ what: String, _ name: String
    ) throws(LifeboatError) -> TrafficRate {
        guard let text = try text(tree, what, name) else { return .unlimited }
        guard let rate = TrafficRate(text) else {
            throw fault("\(what) of link \(name) is \(text): write a rate like 20MB/s, or none")
        }
        return rate
    }

    private func fault(_ reason: String) -> LifeboatError {
        LifeboatError(.usage, "\(path) describes no links: \(reason)", subject: path)
    }
}
