internal import LifeboatCore

/// Which stores a link carries: those of a host, or those whose location begins so.
enum LinkCarriage: Hashable, Sendable {
    /// A host's name or address, with a port or without; in lower case.
    case host(String)
    /// All hosts of a domain: `.example.com`.
    case domain(String)
    /// What a location begins with: `s3:https://HOST/BUCKET`, `swift:CONTAINER`.
    case location(String)

    /// Reads `s3.example.com`, `s3.example.com:9000`, `*.example.com` or the beginning of a
    /// location; `nil` for anything else, such as a directory.
    init?(_ text: String) {
        guard !text.contains(where: \.isWhitespace) else { return nil }
        if ["s3:", "swift:"].contains(where: text.hasPrefix) {
            self = .location(text.hasSuffix("/") ? String(text.dropLast()) : text)
            return
        }
        let isDomain = text.hasPrefix("*.")
        let name = (isDomain ? text.dropFirst(2) : text[...]).lowercased()
        guard !name.isEmpty,
            name.unicodeScalars.allSatisfy({
                $0.properties.isAlphabetic || ("0"..."9").contains($0)
                    || "-._:[]".unicodeScalars.contains($0)
            }), !name.hasPrefix(".")
        else { return nil }
        self = isDomain ? .domain("." + name) : .host(name)
    }

    /// Whether it carries a store.
    func carries(_ target: LinkTarget) -> Bool {
        switch self {
        case .host(let name):
            target.authorities.contains { $0 == name || Self.host($0) == name }
        case .domain(let name): target.authorities.contains { Self.host($0).hasSuffix(name) }
        case .location(let beginning):
            target.location.hasPrefix(beginning)
                && (target.location.utf8.count == beginning.utf8.count
                    || beginning.hasSuffix(":") || beginning.hasSuffix("/")
                    || "/?".contains(target.location.dropFirst(beginning.count).first ?? "x"))
        }
    }

    /// Of two that carry a store, the one with the higher rank says how.
    var rank: (Int, Int) {
        switch self {
        case .location(let text): (3, text.utf8.count)
        case .host(let text): (2, text.utf8.count)
        case .domain(let text): (1, text.utf8.count)
        }
    }

    /// Without the port.
    private static func host(_ authority: String) -> String {
        guard let colon = authority.lastIndex(of: ":"), !authority.hasSuffix("]") else {
            return authority
        }
        return String(authority[..<colon])
    }
}

extension LinkCarriage: CustomStringConvertible {
    /// As it is read.
    var description: String {
        switch self {
        case .host(let text), .location(let text): text
        case .domain(let text): "*" + text
        }
    }
}

/// What is known of a store before anything is asked of it.
struct LinkTarget: Hashable, Sendable {
    /// As it is written.
    var location: String
    /// Hosts, with ports where they are not the usual ones; in lower case.
    var authorities: [String]

    init(location: String, authorities: [String]) {
        self.location = location
        self.authorities = authorities.map { $0.lowercased() }
    }

    /// The authority of a URL; `nil` if it has none.
    static func authority(of url: String) -> String? {
        let place = HTTPPlace.of(url)
        guard let scheme = place.firstRange(of: "://") else { return nil }
        return String(place[scheme.upperBound...])
    }
}
