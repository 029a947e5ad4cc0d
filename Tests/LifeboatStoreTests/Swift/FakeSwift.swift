import LifeboatCore
import LifeboatSystem

@testable import LifeboatStore

/// Swift and its authentication in memory, behind what stands for the HTTP client.
final class FakeSwift: HTTPTransport {
    /// What happens to a request instead of what should.
    enum Fault: Sendable {
        /// The server does it, and its answer is lost.
        case lostReply
        /// The server does nothing, and says this.
        case status(Int, body: String = "")
        /// Nobody reaches the server.
        case noConnection
        /// Another writer is faster: the same name holds this now.
        case another([UInt8])
        /// Bytes change on the way.
        case corrupted
    }

    struct Object: Sendable {
        var bytes: [UInt8]
        var etag: String
        var headers: [String: String]
    }

    struct State: Sendable {
        var objects: [String: Object] = [:]
        var containers: Set<String> = ["c"]
        var containerHeaders: [(name: String, value: String)] = []
        var tokens: Set<String> = []
        var tokenCount = 0
        var lifetime: Int? = 86_400
        /// Faults of the n-th request (from 1) with a method, on objects and containers.
        var faults: [String: [Int: Fault]] = [:]
        var counts: [String: Int] = [:]
        var informs = true
        var hasBulk = true
        var ignoresConditions = false
        var pageCount = 3
        /// What a bulk deletion says of names that hold this text.
        var bulkRefusal: String?
        /// Who forbids, not refuses, tokens that have ended.
        var forbidsOldTokens = false
    }

    let state = Guarded(State())

    func set(_ change: (inout State) -> Void) { state.withLock { change(&$0) } }

    func count(_ method: String) -> Int { state.withLock { $0.counts[method] ?? 0 } }

    var names: [String] { state.withLock { $0.objects.keys.sorted() } }

    /// All tokens end.
    func revoke() { set { $0.tokens = [] } }

    static let storageURL = "http://swift:8080/v1/AUTH_test"

    func store(
        _ location: String = "swift:c/p", _ options: StoreOptions = StoreOptions(),
        now: @escaping @Sendable () -> Double = { 0 }
    ) throws -> SwiftStore {
        let location = try SwiftLocation(location)
        let credentials = try SwiftCredentials.find(
            for: location,
            [
                "ST_AUTH": "http://swift:8080/auth/v1.0", "ST_USER": "test:tester",
                "ST_KEY": "testing",
            ], home: "/", read: { _ in nil })
        let authentication = SwiftAuthentication(credentials: credentials, transport: self)
        let session = SwiftSession(now: now) { () throws(LifeboatError) in
            try authentication.grant()
        }
        return SwiftStore(location, credentials, options, transport: self, session: session)
    }

    // MARK: transport

    private static let attempts = 4

    func perform(
        subject: String, body: [UnsafeRawBufferPointer], target: UnsafeMutableRawBufferPointer?,
        limit: Int, isWorthRetrying: (HTTPResponse) -> Bool,
        prepare: (_ attempt: Int) throws(LifeboatError) -> HTTPRequest
    ) throws(LifeboatError) -> (response: HTTPResponse, isAmbiguous: Bool) {
        let bytes = body.flatMap { [UInt8]($0) }
        var isAmbiguous = false
        for number in 1... {
            let request = try prepare(number)
            let (answer, isLost) = answer(request, bytes)
            if let answer, !isWorthRetrying(answer) || number == Self.attempts {
                return (try deliver(answer, target, limit), isAmbiguous)
            }
            if isLost || (answer?.status ?? 0) >= 500 { isAmbiguous = !request.method.isSafe }
            guard number < Self.attempts else { break }
        }
        throw LifeboatError(.unavailable, "no connection", subject: subject)
    }

    private func deliver(
        _ response: HTTPResponse, _ target: UnsafeMutableRawBufferPointer?, _ limit: Int
    ) throws(LifeboatError) -> HTTPResponse {
        if let target, (200..<300).contains(response.status) {
            guard response.body.count <= target.count else {
                throw LifeboatError(.damaged, "too much")
            }
            target.copyBytes(from: response.body)
            let headers = ["Content-Range", "Content-Length"].compactMap { name in
                response.header(name).map { (name: name, value: $0) }
            }
            return HTTPResponse(
                status: response.status, headers: headers, receivedCount: response.body.count)
        }
        guard response.body.count <= limit else { throw LifeboatError(.damaged, "too much") }
        return response
    }

    private func answer(
        _ request: HTTPRequest, _ body: [UInt8]
    ) -> (HTTPResponse?, isLost: Bool) {
        state.withLock { state in
            let url = request.url.dropFirst("http://swift:8080".count)
            if url == "/auth/v1.0" { return (Self.authenticate(request, &state), false) }
            if url == "/info" { return (Self.information(state), false) }
            let method = request.method.rawValue
            state.counts[method, default: 0] += 1
            let service = FakeSwiftService(request: request, body: body)
            switch state.faults[method]?[state.counts[method] ?? 0] {
            case nil: return (service.answer(&state), false)
            case .noConnection: return (nil, false)
            case .status(let status, let text):
                return (HTTPResponse(status: status, body: Array(text.utf8)), false)
            case .lostReply:
                _ = service.answer(&state)
                return (nil, true)
            case .another(let bytes):
                state.objects[service.path] = Object(
                    bytes: bytes, etag: MD5Hash.hex(bytes) ?? "", headers: [:])
                return (service.answer(&state), false)
            case .corrupted:
                return (
                    FakeSwiftService(request: request, body: body.map { $0 ^ 1 }).answer(&state),
                    false
                )
            }
        }
    }

    private static func authenticate(_ request: HTTPRequest, _ state: inout State) -> HTTPResponse {
        let headers = Dictionary(request.headers.map { ($0.name, $0.value) }) { $1 }
        guard headers["X-Auth-User"] == "test:tester", headers["X-Auth-Key"] == "testing" else {
            return HTTPResponse(status: 401)
        }
        state.tokenCount += 1
        let token = "token-\(state.tokenCount)"
        state.tokens.insert(token)
        var answer = [(name: "X-Auth-Token", value: token), ("X-Storage-Url", storageURL)]
        if let lifetime = state.lifetime {
            answer.append(("X-Auth-Token-Expires", "\(lifetime)"))
        }
        return HTTPResponse(status: state.lifetime == nil ? 204 : 200, headers: answer)
    }

    private static func information(_ state: State) -> HTTPResponse {
        guard state.informs else { return HTTPResponse(status: 404) }
        let bulk = state.hasBulk ? #","bulk_delete":{"max_deletes_per_request":2}"# : ""
        return HTTPResponse(
            status: 200, body: Array(#"{"swift":{"max_file_size":3100000}\#(bulk)}"#.utf8))
    }
}
