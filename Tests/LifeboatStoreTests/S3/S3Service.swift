import LifeboatCore
import LifeboatSystem
import Testing

@testable import LifeboatStore

/// A small S3 service in memory, with the faults of real ones.
final class S3Service: HTTPTransport {
    struct Habits: Sendable {
        var heedsConditions = true
        /// Heeds them, but looks before it leaps.
        var losesRaces = false
        var payloadCheck = StoreCapabilities.PayloadCheck.sha256
        var readsParts = true
        var marksParts = true
        var listsInOrder = true
        var deletesMany = true
        var hasBucket = true
        /// Each put arrives twice, and the second one is answered.
        var doublesPuts = false
        /// What happens to puts, by their number from 1.
        var puts: [Int: Fate] = [:]
    }

    enum Fate: Sendable {
        /// It is done, and the client tries again.
        case replyLost
        /// It is done, and the client gives up.
        case replyLostForever
        /// Another one was faster, and the client tries again.
        case overtaken
        /// A bit changes on the way, and the client tries again if it hears of it.
        case damaged
    }

    struct Stored: Sendable {
        var bytes: [UInt8]
        var token: String?
        var order: Int
    }

    struct State: Sendable {
        var habits: Habits
        var objects: [String: Stored] = [:]
        var puts = 0
        var requests: [String] = []
    }

    let state: Guarded<State>

    init(_ habits: Habits = Habits()) { state = Guarded(State(habits: habits)) }

    /// A store on this service.
    func store(
        cache: String? = nil, page: Int? = 10, prefix: String = "/some/prefix"
    ) throws -> S3Store {
        let settings = try S3Settings(environment: [
            "AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "s",
        ])
        return S3Store(
            try S3Location("s3:http://service.example:7480/bucket" + prefix), settings,
            StoreOptions(cacheDirectory: cache, listingPageCount: page), transport: self)
    }

    func perform(
        subject: String, body: [UnsafeRawBufferPointer], target: UnsafeMutableRawBufferPointer?,
        limit: Int, isWorthRetrying: (HTTPResponse) -> Bool,
        prepare: (_ attempt: Int) throws(LifeboatError) -> HTTPRequest
    ) throws(LifeboatError) -> (response: HTTPResponse, isAmbiguous: Bool) {
        let bytes = body.flatMap { Array($0) }
        var isAmbiguous = false
        for attempt in 1...5 {
            let request = try prepare(attempt)
            let fate = fate(request)
            if case .overtaken = fate { putOther(request) }
            var sent = bytes
            if case .damaged = fate, !sent.isEmpty { sent[0] ^= 1 }
            if request.method == .put, state.withLock({ $0.habits.doublesPuts }) {
                _ = answer(request, sent)
            }
            let response = answer(request, sent)
            switch fate {
            case .replyLost:
                isAmbiguous = true
                continue
            case .replyLostForever: throw LifeboatError(.unavailable, "cut", subject: subject)
            default: break
            }
            if isWorthRetrying(response) { continue }
            guard response.body.count <= max(limit, target?.count ?? 0) else {
                throw LifeboatError(.damaged, "too large", subject: subject)
            }
            guard let target, (200..<300).contains(response.status) else {
                return (response, isAmbiguous)
            }
            guard response.body.count <= target.count else {
                throw LifeboatError(.damaged, "too large", subject: subject)
            }
            target.copyBytes(from: response.body)
            return (
                HTTPResponse(
                    status: response.status, headers: Self.range(response),
                    receivedCount: response.body.count), isAmbiguous
            )
        }
        throw LifeboatError(.unavailable, "given up", subject: subject)
    }

    private static func range(_ response: HTTPResponse) -> [(name: String, value: String)] {
        response.header("Content-Range").map { [(name: "Content-Range", value: $0)] } ?? []
    }

    /// Probes are not counted: tests are about what comes later.
    private func fate(_ request: HTTPRequest) -> Fate? {
        guard request.method == .put, !request.url.contains("/probe/") else { return nil }
        return state.withLock { state in
            state.puts += 1
            return state.habits.puts[state.puts]
        }
    }

    private func putOther(_ request: HTTPRequest) {
        state.withLock {
            $0.objects[Self.key(request)] = Stored(bytes: [0], token: "other", order: 0)
        }
    }

    private static func key(_ request: HTTPRequest) -> String {
        let path = request.url.prefix { $0 != "?" }.dropFirst("http://service.example:7480".count)
        return PercentText.decode(path.dropFirst("/bucket/".count)) ?? ""
    }

    private static func header(_ request: HTTPRequest, _ name: String) -> String? {
        request.headers.first { $0.name.lowercased() == name.lowercased() }?.value
    }

    private static func refusal(_ status: Int, _ code: String) -> HTTPResponse {
        HTTPResponse(status: status, body: Array("<Error><Code>\(code)</Code></Error>".utf8))
    }

    private func answer(_ request: HTTPRequest, _ bytes: [UInt8]) -> HTTPResponse {
        guard Self.header(request, "Authorization") != nil else {
            return Self.refusal(403, "AccessDenied")
        }
        let key = Self.key(request)
        state.withLock {
            $0.requests.append("\(request.method.rawValue) \(key.isEmpty ? request.url : key)")
        }
        if key.isEmpty, request.method == .put {
            state.withLock { $0.habits.hasBucket = true }
            return HTTPResponse(status: 200)
        }
        guard state.withLock({ $0.habits.hasBucket }) else {
            return Self.refusal(404, "NoSuchBucket")
        }
        switch (request.method, key.isEmpty) {
        case (.put, _): return put(key, request, bytes)
        case (.delete, _):
            state.withLock { $0.objects[key] = nil }
            return HTTPResponse(status: 204)
        case (.post, _): return deleteMany(bytes)
        case (.get, true): return list(request.url)
        case (.get, false), (.head, _): return get(key, request)
        }
    }

    private func put(_ key: String, _ request: HTTPRequest, _ bytes: [UInt8]) -> HTTPResponse {
        let habits = state.withLock { $0.habits }
        if habits.payloadCheck == .sha256,
            Self.header(request, "x-amz-content-sha256") != SignatureHash.digest(bytes).hex
        {
            return Self.refusal(400, "XAmzContentSHA256Mismatch")
        }
        if habits.payloadCheck != .none, let sum = Self.header(request, "Content-MD5"),
            let md5 = MD5Hash.hex(bytes), sum != base64(Hex.decode(md5) ?? [])
        {
            return Self.refusal(400, "BadDigest")
        }
        let isConditional = habits.heedsConditions && Self.header(request, "If-None-Match") == "*"
        if isConditional, habits.losesRaces {
            if state.withLock({ $0.objects[key] != nil }) { return Self.refusal(412, "") }
            Threads.sleep(seconds: 0.02)
        }
        return state.withLock { state in
            if isConditional, !habits.losesRaces, state.objects[key] != nil {
                return Self.refusal(412, "PreconditionFailed")
            }
            state.objects[key] = Stored(
                bytes: bytes, token: Self.header(request, S3Store.tokenHeader),
                order: state.requests.count)
            return HTTPResponse(
                status: 200,
                headers: [(name: "ETag", value: "\"\(MD5Hash.hex(bytes) ?? "")\"")])
        }
    }

    private func get(_ key: String, _ request: HTTPRequest) -> HTTPResponse {
        let state = state.withLock { $0 }
        guard let object = state.objects[key] else { return Self.refusal(404, "NoSuchKey") }
        if request.method == .head {
            return HTTPResponse(
                status: 200,
                headers: [(name: "Content-Length", value: String(object.bytes.count))]
                    + (object.token.map { [(name: S3Store.tokenHeader, value: $0)] } ?? []))
        }
        guard let text = Self.header(request, "Range"), state.habits.readsParts else {
            return HTTPResponse(status: 200, body: object.bytes)
        }
        let ends = text.dropFirst("bytes=".count).split(separator: "-").compactMap { Int($0) }
        guard ends[0] < object.bytes.count else { return Self.refusal(416, "InvalidRange") }
        let last = min(ends[1], object.bytes.count - 1)
        return HTTPResponse(
            status: state.habits.marksParts ? 206 : 200,
            headers: [
                (name: "Content-Range", value: "bytes \(ends[0])-\(last)/\(object.bytes.count)")
            ], body: Array(object.bytes[ends[0]...last]))
    }

    private func list(_ url: String) -> HTTPResponse {
        var query: [String: String] = [:]
        for part in url.drop(while: { $0 != "?" }).dropFirst().split(separator: "&") {
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            query[String(pair[0])] = PercentText.decode(pair[1])
        }
        if query["versioning"] != nil {
            return HTTPResponse(status: 200, body: Array("<VersioningConfiguration/>".utf8))
        }
        if query["object-lock"] != nil { return Self.refusal(404, "None") }
        let state = state.withLock { $0 }
        var found = state.objects.filter { $0.key.hasPrefix(query["prefix"] ?? "") }
            .sorted { $0.key < $1.key }
        if !state.habits.listsInOrder { found.sort { $0.value.order < $1.value.order } }
        let start = query["continuation-token"].flatMap { Int($0) } ?? 0
        let page = found.dropFirst(start).prefix(query["max-keys"].flatMap { Int($0) } ?? 1000)
        let next = start + page.count
        let isLast = next >= found.count
        let contents = page.map {
            "<Contents><Key>\(PercentText.encode($0.key))</Key><Size>\($0.value.bytes.count)</Size>"
                + "</Contents>"
        }
        return HTTPResponse(
            status: 200,
            body: Array(
                ("<ListBucketResult><EncodingType>url</EncodingType>\(contents.joined())"
                    + "<IsTruncated>\(!isLast)</IsTruncated>"
                    + (isLast ? "" : "<NextContinuationToken>\(next)</NextContinuationToken>")
                    + "</ListBucketResult>").utf8))
    }

    private func deleteMany(_ bytes: [UInt8]) -> HTTPResponse {
        guard state.withLock({ $0.habits.deletesMany }) else {
            return Self.refusal(501, "NotImplemented")
        }
        let keys = AnswerElement.parse(bytes)?.all("Object").compactMap { $0["Key"]?.text } ?? []
        state.withLock { state in for key in keys { state.objects[key] = nil } }
        return HTTPResponse(status: 200, body: Array("<DeleteResult/>".utf8))
    }

    private func base64(_ bytes: [UInt8]) -> String {
        let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
        var text = ""
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let part = bytes[start..<min(start + 3, bytes.count)]
            let bits = (0..<3).reduce(0) { sum, index in
                sum << 8 | (index < part.count ? Int(part[start + index]) : 0)
            }
            for index in 0..<4 {
                text.append(index <= part.count ? digits[bits >> (18 - 6 * index) & 63] : "=")
            }
        }
        return text
    }
}
