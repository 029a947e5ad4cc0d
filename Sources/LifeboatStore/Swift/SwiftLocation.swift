public import LifeboatCore

/// A place in an OpenStack Swift container: `swift:container[/prefix][?cloud=NAME&region=NAME]`.
///
/// Where the container is and who may use it is no part of it: see `SwiftCredentials`.
public struct SwiftLocation: Sendable, Hashable {
    /// The container's name.
    public let container: String
    /// What the names of all objects begin with, without a slash at the end; may be empty.
    public let prefix: String
    /// The cloud of `clouds.yaml` to use.
    public let cloud: String?
    /// The region whose object store is meant.
    public let region: String?

    private static let containerLimit = 256
    /// Swift allows 1,024 bytes a name, and the longest that the program makes has 200.
    private static let prefixLimit = 800

    /// Whether a text is meant to be such a location.
    public static func isPlausible(_ text: String) -> Bool { text.hasPrefix("swift:") }

    /// Reads a location; `.usage` if it is none.
    public init(_ text: String) throws(LifeboatError) {
        guard Self.isPlausible(text) else { throw Self.wrong(text, "it must begin with swift:") }
        let parts = text.dropFirst("swift:".count).split(
            separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        var place = parts[0]
        // `swift://container` is what other tools write.
        if place.hasPrefix("//") { place = place.dropFirst(2) }
        let names = place.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        container = String(names[0])
        prefix = names.count == 2 ? Self.trimmed(names[1]) : ""
        var options: [String: String] = [:]
        if parts.count == 2 {
            for option in parts[1].split(separator: "&") {
                let pair = option.split(separator: "=", maxSplits: 1)
                guard pair.count == 2, let value = PercentText.decode(pair[1]),
                    ["cloud", "region"].contains(pair[0])
                else { throw Self.wrong(text, "after ? only cloud=NAME and region=NAME may stand") }
                options[String(pair[0])] = value
            }
        }
        cloud = options["cloud"]
        region = options["region"]
        guard !container.isEmpty else { throw Self.wrong(text, "the container's name is missing") }
        guard container.utf8.count <= Self.containerLimit, Self.isClean(container) else {
            throw Self.wrong(text, "\(container) cannot be the name of a container")
        }
        guard prefix.utf8.count <= Self.prefixLimit, Self.isClean(prefix),
            prefix.isEmpty
                || prefix.split(separator: "/", omittingEmptySubsequences: false).allSatisfy({
                    !$0.isEmpty && $0 != "." && $0 != ".."
                })
        else { throw Self.wrong(text, "\(prefix) cannot be a prefix of names") }
    }

    private static func trimmed(_ text: Substring) -> String {
        text.hasSuffix("/") ? String(text.dropLast()) : String(text)
    }

    private static func isClean(_ text: String) -> Bool {
        text != "." && text != ".."
            && text.unicodeScalars.allSatisfy { $0.value >= 32 && $0 != "\u{7F}" }
    }

    private static func wrong(_ text: String, _ reason: String) -> LifeboatError {
        LifeboatError(
            .usage, "\(text) is no place in a Swift container: \(reason)", subject: text,
            advice: "write swift:container or swift:container/prefix")
    }
}

extension SwiftLocation: CustomStringConvertible {
    /// As it is read.
    public var description: String {
        let options = [("cloud", cloud), ("region", region)].compactMap { name, value in
            value.map { "\(name)=\(PercentText.encode($0))" }
        }
        return "swift:\(container)" + (prefix.isEmpty ? "" : "/\(prefix)")
            + (options.isEmpty ? "" : "?" + options.joined(separator: "&"))
    }
}
