/// What messages may say of a URL.
enum HTTPPlace {
    /// Scheme, host and port: nothing that could be secret.
    static func of(_ url: String) -> String {
        guard let scheme = url.firstRange(of: "://") else { return "the store" }
        let authority = url[scheme.upperBound...].prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        let host = authority.split(separator: "@", omittingEmptySubsequences: false).last ?? ""
        return String(url[..<scheme.upperBound]) + host
    }

    /// The text without the secret parts of the URL: user, password and query.
    static func redact(_ text: String, url: String) -> String {
        var text = text
        for secret in secrets(url) where secret.count > 2 {
            text.replace(secret, with: "...")
        }
        return text
    }

    private static func secrets(_ url: String) -> [Substring] {
        var result: [Substring] = []
        if let mark = url.firstIndex(of: "?") { result.append(url[url.index(after: mark)...]) }
        if let scheme = url.firstRange(of: "://") {
            let authority = url[scheme.upperBound...].prefix { $0 != "/" && $0 != "?" }
            if let at = authority.lastIndex(of: "@") {
                let user = authority[..<at]
                result.append(user)
                result += user.split(separator: ":")
            }
        }
        return result
    }
}
