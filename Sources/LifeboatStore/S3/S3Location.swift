public import LifeboatCore
internal import LifeboatSystem

/// A place in an S3 store: `s3:https://HOST[:PORT]/BUCKET[/PREFIX][?region=R&style=S&ca=FILE]`.
///
/// Who may use it is no part of it: see `S3Settings`.
public struct S3Location: Sendable, Hashable {
    /// Where the bucket's name stands in addresses.
    public enum Style: String, Sendable, Hashable {
        /// `https://HOST/BUCKET/KEY`
        case path
        /// `https://BUCKET.HOST/KEY`
        case host
    }

    /// Whether the connection is encrypted.
    public let isSecure: Bool
    /// In lower case; an IPv6 address in brackets.
    public let host: String
    /// `nil` where it is the scheme's own.
    public let port: UInt16?
    public let bucket: String
    /// What the names of all objects begin with, without a slash at its end; may be empty.
    public let prefix: String
    public let region: String?
    public let style: Style?
    /// The file with the certificates of the authorities to trust.
    public let authorityFile: String?

    private static let prefixLimit = 500

    /// Whether a text is meant to be such a location.
    public static func isPlausible(_ text: String) -> Bool {
        text.hasPrefix("s3:") && !text.hasPrefix("s3://")
    }

    /// Reads a location; `.usage` if it is none.
    public init(_ text: String) throws(LifeboatError) {
        let parts = text.dropFirst("s3:".count).split(
            separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let address = parts[0]
        guard let scheme = ["https", "http"].first(where: { address.hasPrefix($0 + "://") }) else {
            throw Self.wrong("after s3: stands https:// or http://")
        }
        isSecure = scheme == "https"
        let places = address.dropFirst(scheme.count + 3).split(
            separator: "/", maxSplits: 2, omittingEmptySubsequences: false)
        // Before anything of it can get into a message.
        if places[0].contains("@") { throw Self.secret() }
        (host, port) = try Self.authority(places[0], standardPort: isSecure ? 443 : 80)
        bucket = places.count > 1 ? String(places[1]) : ""
        guard Self.isBucket(bucket) else {
            throw Self.wrong(
                bucket.isEmpty ? "the bucket is missing" : "\(bucket) cannot be a bucket's name")
        }
        let rest = places.count > 2 ? places[2] : ""
        prefix = String(rest.hasSuffix("/") ? rest.dropLast() : rest)
        guard prefix.isEmpty || Self.isPrefix(prefix) else {
            throw Self.wrong(
                "a prefix has letters, digits and - . _ ~ + = , between single slashes")
        }
        let options = try Self.options(parts.count > 1 ? parts[1] : "")
        region = options["region"]
        authorityFile = options["ca"]
        if let text = options["style"] {
            guard let style = Style(rawValue: text) else {
                throw Self.wrong("style is path or host")
            }
            self.style = style
        } else {
            style = nil
        }
        if let region, !region.utf8.allSatisfy({ Self.isPlain($0) }) || region.isEmpty {
            throw Self.wrong("\(region) cannot be a region's name")
        }
    }

    private static func authority(
        _ text: Substring, standardPort: UInt16
    ) throws(LifeboatError) -> (String, UInt16?) {
        var host = text
        var port: UInt16?
        let last = text.lastIndex(of: ":")
        if let colon = last, !(text.hasPrefix("[") && text.hasSuffix("]")) {
            host = text[..<colon]
            guard let number = UInt16(text[text.index(after: colon)...]), number > 0 else {
                throw wrong("the port is a number from 1 to 65535")
            }
            if number != standardPort { port = number }
        }
        let isAddress = host.hasPrefix("[") && host.hasSuffix("]") && host.utf8.count > 2
        let name = isAddress ? host.dropFirst().dropLast() : host
        let isClean = name.utf8.allSatisfy {
            isAddress
                ? Hex.decode("0" + String(UnicodeScalar($0))) != nil || $0 == UInt8(ascii: ":")
                    || $0 == UInt8(ascii: ".") : isPlain($0)
        }
        guard !name.isEmpty, isClean else { throw wrong("the host's name is missing or wrong") }
        return (host.lowercased(), port)
    }

    private static func options(_ text: Substring) throws(LifeboatError) -> [String: String] {
        var options: [String: String] = [:]
        for option in text.split(separator: "&") {
            let pair = option.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = pair[0].lowercased()
            if ["key", "secret", "token", "password", "credential"].contains(where: name.contains) {
                throw secret()
            }
            guard ["region", "style", "ca"].contains(name) else {
                throw wrong("after ? only region=, style= and ca= may stand")
            }
            guard pair.count == 2, let value = PercentText.decode(pair[1]), !value.isEmpty,
                options.updateValue(value, forKey: name) == nil
            else { throw wrong("\(name)= has no value, or two") }
        }
        return options
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
            UInt8(ascii: "_"):
            true
        default: false
        }
    }

    private static func isBucket(_ text: String) -> Bool {
        (3...255).contains(text.utf8.count) && text.utf8.allSatisfy(isPlain)
            && text.first.map { $0.isLetter || $0.isNumber } == true && !text.contains("..")
    }

    private static func isPrefix(_ text: String) -> Bool {
        text.utf8.count <= prefixLimit
            && text.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { part in
                !part.isEmpty && part != "." && part != ".."
                    && part.utf8.allSatisfy { isPlain($0) || "~+=,".utf8.contains($0) }
            }
    }

    private static func wrong(_ why: String) -> LifeboatError {
        LifeboatError(
            .usage, "this is no location in an S3 store: \(why)",
            advice: "write s3:https://HOST/BUCKET/PREFIX")
    }

    private static func secret() -> LifeboatError {
        LifeboatError(
            .usage, "the location of a repository holds no credentials: it is shown and logged",
            advice: "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, and change "
                + "the key that stood there")
    }
}

extension S3Location: CustomStringConvertible {
    /// As it would be written; opens the same place.
    public var description: String {
        var text = "s3:" + (isSecure ? "https://" : "http://") + authority + "/" + bucket
        if !prefix.isEmpty { text += "/" + prefix }
        let options = [
            region.map { "region=" + $0 }, style.map { "style=" + $0.rawValue },
            authorityFile.map { "ca=" + PercentText.encode($0, keepingSlashes: true) },
        ].compactMap(\.self)
        return options.isEmpty ? text : text + "?" + options.joined(separator: "&")
    }

    /// Host and port as they stand in addresses and in the header `Host`.
    var authority: String { port.map { "\(host):\($0)" } ?? host }
}
