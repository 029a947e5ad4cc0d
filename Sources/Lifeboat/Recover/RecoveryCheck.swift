public import LifeboatCore

/// Something that a recovered machine must be able to do.
public enum RecoveryCheck: Sendable, Equatable {
    /// The guest's agent answers.
    case agent
    /// Something accepts connections at a port.
    case tcp(port: UInt16)
    /// A web server answers with success, and with a text in what it says.
    case http(HTTPRequest)
    /// A command in the guest, by its agent, ends with 0.
    case command([String])

    /// What is asked of a web server.
    public struct HTTPRequest: Sendable, Equatable {
        /// `nil` for the machine's own address.
        public var host: String?
        public var port: UInt16 = 80
        public var path: String
        public var text: String?
    }

    /// Reads `agent`, `tcp:PORT`, `http:PATH`, `http:PORT/PATH`, `http://HOST/PATH` - these with
    /// `=TEXT` after them where the answer must have that text - and `command:PATH ARGUMENT ...`.
    ///
    /// - Throws: `.usage`.
    public init(_ text: String) throws(LifeboatError) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let rest = parts.count > 1 ? String(parts[1]) : ""
        switch parts[0] {
        case "agent" where parts.count == 1:
            self = .agent
        case "tcp":
            guard let port = UInt16(rest), port > 0 else { throw Self.failure(text) }
            self = .tcp(port: port)
        case "http":
            guard let request = Self.request(rest) else { throw Self.failure(text) }
            self = .http(request)
        case "command":
            let words = rest.split(separator: " ").map(String.init)
            guard let program = words.first, program.hasPrefix("/") else {
                throw Self.failure(text)
            }
            self = .command(words)
        default: throw Self.failure(text)
        }
    }

    private static func failure(_ text: String) -> LifeboatError {
        LifeboatError(
            .usage, "\(text) is no check", subject: text,
            advice: "give agent, tcp:PORT, http:PATH=TEXT or command:/PATH ARGUMENT")
    }

    private static func request(_ text: String) -> HTTPRequest? {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        var place = parts[0]
        let wanted = parts.count > 1 && !parts[1].isEmpty ? String(parts[1]) : nil
        let isURL = place.hasPrefix("//")
        if isURL { place = place.dropFirst(2) }
        let head = place.prefix { $0 != "/" }
        let path = place.dropFirst(head.count)
        var request = HTTPRequest(path: path.isEmpty ? "/" : String(path), text: wanted)
        guard !request.path.contains(where: { $0 == " " || $0.isNewline }) else { return nil }
        if isURL {
            let names = head.split(separator: ":", omittingEmptySubsequences: false)
            guard let host = names.first, !host.isEmpty, names.count <= 2 else { return nil }
            request.host = String(host)
            if names.count == 2 {
                guard let port = UInt16(names[1]), port > 0 else { return nil }
                request.port = port
            }
        } else if !head.isEmpty {
            guard let port = UInt16(head), port > 0 else { return nil }
            request.port = port
        } else if path.isEmpty {
            return nil
        }
        return request
    }

    /// As it is given on the command line.
    public var name: String {
        switch self {
        case .agent: return "agent"
        case .tcp(let port): return "tcp:\(port)"
        case .command(let words): return "command:" + words.joined(separator: " ")
        case .http(let request):
            let place =
                request.host.map { "//\($0)" + (request.port == 80 ? "" : ":\(request.port)") }
                ?? (request.port == 80 ? "" : "\(request.port)")
            return "http:\(place)\(request.path)" + (request.text.map { "=\($0)" } ?? "")
        }
    }
}

/// What a check came to.
public struct RecoveryCheckResult: Sendable, Equatable {
    public var check: String
    public var isPassed: Bool
    /// What answered, or why it is not passed.
    public var detail: String
    public var seconds: Double
}
