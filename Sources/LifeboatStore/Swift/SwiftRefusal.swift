internal import LifeboatCore

/// What an answer means that is none of those asked for.
enum SwiftRefusal {
    /// The error that it stands for.
    static func error(
        _ response: HTTPResponse, subject: String, container: String
    ) -> LifeboatError {
        let (code, text, advice) = explanation(response, subject, container)
        return LifeboatError(
            code, text, subject: subject, cause: cause(response), advice: advice)
    }

    /// Quotas of Ceph's gateway come with the status of forbidden things.
    static func isFull(_ response: HTTPResponse) -> Bool {
        switch response.status {
        case 413, 507: true
        case 403: text(response).contains("QuotaExceeded")
        default: false
        }
    }

    private static func explanation(
        _ response: HTTPResponse, _ subject: String, _ container: String
    ) -> (LifeboatError.Code, String, String?) {
        if isFull(response) {
            return (
                .full, "container \(container) or its project has no room for more",
                "raise the quota or the storage, or forget points and collect"
            )
        }
        switch response.status {
        case 401:
            return (
                .denied, "the object store accepts no token for container \(container)",
                "check credentials and project; a token that was given with OS_AUTH_TOKEN has ended"
            )
        case 403:
            return (
                .denied, "container \(container) may not be used like this",
                "give the user a role or an access list that allows it"
            )
        case 404:
            return (.missing, "\(subject) is not there", "check container, project and region")
        case 422:
            return (
                .unavailable, "what arrived was damaged on the way",
                "check the network, then try again"
            )
        case 408, 429, 500...:
            return (.unavailable, "the object store does not do it now", "try again later")
        default:
            return (.unavailable, "the object store does not do it", nil)
        }
    }

    /// The status, what the server says to it, and by what it can be found in its logs.
    static func cause(_ response: HTTPResponse) -> String {
        let words = text(response).split { $0.isWhitespace }.joined(separator: " ")
        let transaction = response.header("X-Trans-Id") ?? response.header("X-Openstack-Request-Id")
        var cause = "HTTP \(response.status)"
        if !words.isEmpty { cause += ": \(words.prefix(200))" }
        if let transaction { cause += ", transaction \(printable(transaction).prefix(80))" }
        return cause
    }

    /// The body without the marks of HTML, for a line of a message.
    private static func text(_ response: HTTPResponse) -> String {
        var isMark = false
        var result = ""
        for character in String(decoding: response.body.prefix(2000), as: UTF8.self) {
            switch character {
            case "<":
                isMark = true
                result.append(" ")
            case ">": isMark = false
            default: if !isMark { result.append(character) }
            }
        }
        return printable(result)
    }

    private static func printable(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { $0.value < 32 || $0.value == 127 ? " " : $0 }))
    }
}
