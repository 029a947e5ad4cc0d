import LifeboatCore

@testable import LifeboatStore

/// What Swift does with one request.
struct FakeSwiftService {
    typealias Object = FakeSwift.Object
    typealias State = FakeSwift.State

    private let request: HTTPRequest
    private let body: [UInt8]
    private let headers: [String: String]
    private let query: [String: String]
    /// Container and object, decoded.
    let path: String

    init(request: HTTPRequest, body: [UInt8]) {
        self.request = request
        self.body = body
        headers = Dictionary(request.headers.map { ($0.name, $0.value) }) { $1 }
        let parts = request.url.dropFirst(FakeSwift.storageURL.count).split(
            separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        path = PercentText.decode(parts[0].dropFirst()) ?? ""
        var query: [String: String] = [:]
        for pair in parts.dropFirst().joined().split(separator: "&") {
            let halves = pair.split(separator: "=", maxSplits: 1)
            query[String(halves[0])] = halves.count == 2 ? PercentText.decode(halves[1]) : ""
        }
        self.query = query
    }

    func answer(_ state: inout State) -> HTTPResponse {
        guard let token = headers["X-Auth-Token"], state.tokens.contains(token) else {
            return HTTPResponse(status: state.forbidsOldTokens ? 403 : 401)
        }
        if query["bulk-delete"] != nil { return bulk(&state) }
        guard let container = path.split(separator: "/").first.map(String.init) else {
            return HTTPResponse(status: 404)
        }
        let isContainer = container == path
        if isContainer, request.method == .put {
            let isNew = state.containers.insert(container).inserted
            return HTTPResponse(status: isNew ? 201 : 202)
        }
        guard state.containers.contains(container) else { return HTTPResponse(status: 404) }
        switch request.method {
        case .put: return put(&state)
        case .get where isContainer: return list(container, state)
        case .head where isContainer:
            return HTTPResponse(status: 204, headers: state.containerHeaders)
        case .get, .head: return get(state)
        case .delete:
            let gone = state.objects.removeValue(forKey: path)
            return HTTPResponse(status: gone == nil ? 404 : 204)
        case .post: return HTTPResponse(status: 405)
        }
    }

    private func put(_ state: inout State) -> HTTPResponse {
        let digest = MD5Hash.hex(body) ?? ""
        if headers["If-None-Match"] == "*", !state.ignoresConditions, state.objects[path] != nil {
            return HTTPResponse(status: 412)
        }
        if let expected = headers["ETag"], expected != digest, !state.ignoresConditions {
            return HTTPResponse(status: 422)
        }
        state.objects[path] = Object(
            bytes: body, etag: digest,
            headers: headers.filter { $0.key.hasPrefix("X-Object-Meta-") })
        return HTTPResponse(status: 201, headers: [("Etag", digest)])
    }

    private func get(_ state: State) -> HTTPResponse {
        guard let object = state.objects[path] else { return HTTPResponse(status: 404) }
        var answer = object.headers.map { (name: $0.key, value: $0.value) }
        answer.append(("Etag", object.etag))
        var bytes = object.bytes
        var status = 200
        if let range = headers["Range"]?.dropFirst("bytes=".count).split(separator: "-"),
            let first = Int(range[0]), let last = Int(range[1])
        {
            guard first < bytes.count else { return HTTPResponse(status: 416) }
            bytes = Array(bytes[first..<min(last + 1, bytes.count)])
            status = 206
            answer.append(
                ("Content-Range", "bytes \(first)-\(first + bytes.count - 1)/\(object.bytes.count)")
            )
        }
        answer.append(("Content-Length", "\(bytes.count)"))
        return HTTPResponse(
            status: status, headers: answer, body: request.method == .head ? [] : bytes)
    }

    private func list(_ container: String, _ state: State) -> HTTPResponse {
        let prefix = query["prefix"] ?? ""
        let marker = query["marker"] ?? ""
        let found = state.objects.filter { $0.key.hasPrefix(container + "/") }
            .map {
                (name: String($0.key.dropFirst(container.count + 1)), size: $0.value.bytes.count)
            }
            .filter { $0.name.hasPrefix(prefix) && $0.name > marker }
            .sorted { $0.name < $1.name }.prefix(state.pageCount)
        let lines = found.map {
            #"{"name":"\#($0.name)","bytes":\#($0.size),"hash":"","content_type":"a"}"#
        }
        return HTTPResponse(status: 200, body: Array("[\(lines.joined(separator: ","))]".utf8))
    }

    private func bulk(_ state: inout State) -> HTTPResponse {
        guard state.hasBulk else { return HTTPResponse(status: 405) }
        let lines = String(decoding: body, as: UTF8.self).split(separator: "\n")
        if lines.count > 2 { return bulkAnswer("413 Request Entity Too Large", 0, 0, []) }
        var deleted = 0
        var missing = 0
        var errors: [String] = []
        for line in lines {
            if let refusal = state.bulkRefusal, line.contains(refusal) {
                errors.append(#"["\#(line)","409 Conflict"]"#)
                continue
            }
            let path = PercentText.decode(line.dropFirst()) ?? ""
            if state.objects.removeValue(forKey: path) == nil { missing += 1 } else { deleted += 1 }
        }
        let status = errors.isEmpty ? "200 OK" : "400 Bad Request"
        return bulkAnswer(status, deleted, missing, errors)
    }

    private func bulkAnswer(
        _ status: String, _ deleted: Int, _ missing: Int, _ errors: [String]
    ) -> HTTPResponse {
        let text =
            "  \r\n" + #"{"Number Deleted":\#(deleted),"Number Not Found":\#(missing),"#
            + #""Response Status":"\#(status)","Response Body":"","#
            + #""Errors":[\#(errors.joined(separator: ","))]}"#
        return HTTPResponse(status: 200, body: Array(text.utf8))
    }
}
