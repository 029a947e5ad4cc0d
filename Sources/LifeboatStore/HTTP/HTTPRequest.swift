/// What a request does.
enum HTTPMethod: String, Sendable {
    case get = "GET"
    case head = "HEAD"
    case put = "PUT"
    case post = "POST"
    case delete = "DELETE"

    var sendsBody: Bool { self == .put || self == .post }

    /// The server changes nothing for it.
    var isSafe: Bool { self == .get || self == .head }
}

/// A request without its body.
struct HTTPRequest: Sendable {
    var method: HTTPMethod
    /// Complete and percent-encoded already; sent as it is.
    var url: String
    /// Without `Host` and `Content-Length`, which are the client's.
    var headers: [(name: String, value: String)]

    init(_ method: HTTPMethod, _ url: String, headers: [(name: String, value: String)] = []) {
        self.method = method
        self.url = url
        self.headers = headers
    }
}
