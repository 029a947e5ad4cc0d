import LifeboatCore
import LifeboatSystem

@testable import LifeboatStore

/// A bucket in memory that keeps every version, and locks them: without conditions, as Ceph has it.
final class LockingService: HTTPTransport {
    struct Habits: Sendable {
        var hasBucket = true
        var hasLock = true
        /// Takes the headers of a put and does nothing about them.
        var ignoresLocks = false
        /// Seconds by which its clock is ahead.
        var clockError = 0
        /// Each put arrives twice, and the second one is answered.
        var doublesPuts = false
        /// Does without saying so what makes a bucket with object lock.
        var ignoresBucketLock = false
    }

    struct Version: Sendable {
        var id: String
        /// `nil` for the mark of a deletion.
        var bytes: [UInt8]?
        var token: String?
        /// Seconds since 1970.
        var lockedUntil: Double?
    }

    struct State: Sendable {
        var habits: Habits
        /// By key, the newest last.
        var versions: [String: [Version]] = [:]
        var count = 0
        var puts: [HTTPRequest] = []
    }

    let state: Guarded<State>

    init(_ habits: Habits = Habits()) { state = Guarded(State(habits: habits)) }

    func store(page: Int? = 3, notice: @escaping @Sendable (String) -> Void = { _ in }) throws
        -> S3Store
    {
        let settings = try S3Settings(environment: [
            "AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "s",
        ])
        return S3Store(
            try S3Location("s3:http://service.example/bucket/p"), settings,
            StoreOptions(listingPageCount: page, notice: notice), transport: self)
    }

    /// Puts another version over a name, as anybody with credentials can.
    func overwrite(_ name: String, _ bytes: [UInt8], lockedUntil: Double? = nil) {
        state.withLock { $0.add("p/" + name, bytes, token: nil, lockedUntil) }
    }

    func mark(_ name: String) { state.withLock { $0.add("p/" + name, nil, token: nil, nil) } }

    func versions(_ name: String) -> [Version] { state.withLock { $0.versions["p/" + name] ?? [] } }

    func perform(
        subject: String, body: [UnsafeRawBufferPointer], target: UnsafeMutableRawBufferPointer?,
        limit: Int, isWorthRetrying: (HTTPResponse) -> Bool,
        prepare: (_ attempt: Int) throws(LifeboatError) -> HTTPRequest
    ) throws(LifeboatError) -> (response: HTTPResponse, isAmbiguous: Bool) {
        let request = try prepare(1)
        let bytes = body.flatMap { Array($0) }
        let isTwice = request.method == .put && state.withLock { $0.habits.doublesPuts }
        if isTwice { _ = state.withLock { $0.answer(request, bytes) } }
        let response = state.withLock { $0.answer(request, bytes) }
        guard let target, (200..<300).contains(response.status) else { return (response, false) }
        target.copyBytes(from: response.body)
        let range = response.header("Content-Range").map { [(name: "Content-Range", value: $0)] }
        return (
            HTTPResponse(
                status: response.status, headers: range ?? [],
                receivedCount: response.body.count), false
        )
    }
}

extension LockingService.State {
    fileprivate mutating func add(
        _ key: String, _ bytes: [UInt8]?, token: String?, _ lockedUntil: Double?
    ) {
        count += 1
        versions[key, default: []].append(
            .init(id: "v\(count)", bytes: bytes, token: token, lockedUntil: lockedUntil))
    }

    private func refusal(_ status: Int, _ code: String) -> HTTPResponse {
        HTTPResponse(status: status, body: Array("<Error><Code>\(code)</Code></Error>".utf8))
    }

    private func page(_ text: String) -> HTTPResponse {
        HTTPResponse(status: 200, headers: [date], body: Array(text.utf8))
    }

    private var now: Double { Double(Clock.milliseconds()) / 1000 + Double(habits.clockError) }

    private var date: (name: String, value: String) {
        let milliseconds = UInt64(now * 1000)
        let day = CivilDate(milliseconds: milliseconds)
        let months = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ]
        let time = DateText.second(milliseconds).split(separator: " ")[1].dropLast()
        return (
            "Date", "Sat, \(day.day) \(months[day.month - 1]) \(day.year) \(time) GMT"
        )
    }

    fileprivate mutating func answer(_ request: HTTPRequest, _ bytes: [UInt8]) -> HTTPResponse {
        let parts = request.url.split(separator: "?", maxSplits: 1)
        var query: [String: String] = [:]
        for part in parts.dropFirst().first?.split(separator: "&") ?? [] {
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            query[String(pair[0])] = PercentText.decode(pair[1])
        }
        let path = parts[0].dropFirst("http://service.example/bucket".count)
        let key = PercentText.decode(path.dropFirst()) ?? ""
        func header(_ name: String) -> String? {
            request.headers.first { $0.name.lowercased() == name.lowercased() }?.value
        }
        if key.isEmpty, request.method == .put {
            habits.hasBucket = true
            habits.hasLock =
                header("x-amz-bucket-object-lock-enabled") == "true" && !habits.ignoresBucketLock
            return HTTPResponse(status: 200)
        }
        guard habits.hasBucket else { return refusal(404, "NoSuchBucket") }
        guard !key.isEmpty else { return bucket(query) }
        if query["retention"] != nil {
            return retention(key, query["versionId"], request.method == .put ? bytes : nil)
        }
        switch request.method {
        case .put:
            puts.append(request)
            let end = header("x-amz-object-lock-retain-until-date").flatMap(InternetTime.seconds)
            if end != nil, header("Content-MD5") == nil { return refusal(400, "InvalidRequest") }
            add(
                key, bytes, token: header(S3Store.tokenHeader), habits.ignoresLocks ? nil : end)
            return HTTPResponse(status: 200)
        case .delete: return delete(key, query["versionId"])
        default: return read(key, query["versionId"], range: header("Range"))
        }
    }

    private func bucket(_ query: [String: String]) -> HTTPResponse {
        if query["object-lock"] != nil {
            guard habits.hasLock else { return refusal(404, "ObjectLockConfigurationNotFound") }
            return page(
                "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>"
                    + "</ObjectLockConfiguration>")
        }
        if query["versioning"] != nil {
            return page(
                "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")
        }
        let keys = versions.keys.filter { $0.hasPrefix(query["prefix"] ?? "") }.sorted()
        guard query["versions"] != nil else {
            let contents = keys.compactMap { key -> String? in
                guard let bytes = versions[key]?.last?.bytes else { return nil }
                return "<Contents><Key>\(key)</Key><Size>\(bytes.count)</Size></Contents>"
            }
            return page("<ListBucketResult>\(contents.joined())</ListBucketResult>")
        }
        var all: [(key: String, version: LockingService.Version)] = []
        for key in keys { all += (versions[key] ?? []).reversed().map { (key, $0) } }
        if let key = query["key-marker"] {
            let id = query["version-id-marker"]
            let index = all.firstIndex { $0.key == key && $0.version.id == id }
            all = Array(all[((index ?? -1) + 1)...])
        }
        let shown = all.prefix(query["max-keys"].flatMap { Int($0) } ?? 1000)
        let text = shown.map { key, version in
            let name = "<Key>\(key)</Key><VersionId>\(version.id)</VersionId>"
            guard let bytes = version.bytes else { return "<DeleteMarker>\(name)</DeleteMarker>" }
            return "<Version>\(name)<ETag>\(MD5Hash.hex(bytes) ?? "")</ETag>"
                + "<Size>\(bytes.count)</Size></Version>"
        }
        return page(
            "<ListVersionsResult>\(text.joined())<IsTruncated>\(shown.count < all.count)"
                + "</IsTruncated></ListVersionsResult>")
    }

    private mutating func retention(
        _ key: String, _ id: String?, _ bytes: [UInt8]?
    ) -> HTTPResponse {
        guard let index = versions[key]?.firstIndex(where: { $0.id == id }) else {
            return refusal(404, "NoSuchVersion")
        }
        let current = versions[key]?[index].lockedUntil
        if let bytes {
            let text = AnswerElement.parse(bytes)?["RetainUntilDate"]?.text ?? ""
            guard let end = InternetTime.seconds(text), end >= current ?? 0 else {
                return refusal(403, "AccessDenied")
            }
            versions[key]?[index].lockedUntil = end
            return HTTPResponse(status: 200)
        }
        guard let current else { return refusal(404, "NoSuchObjectLockConfiguration") }
        return page(
            "<Retention><Mode>COMPLIANCE</Mode><RetainUntilDate>"
                + S3Store.lockDate(UInt64(current * 1000)) + "</RetainUntilDate></Retention>")
    }

    private mutating func delete(_ key: String, _ id: String?) -> HTTPResponse {
        guard let id else {
            add(key, nil, token: nil, nil)
            return HTTPResponse(status: 204)
        }
        guard let index = versions[key]?.firstIndex(where: { $0.id == id }) else {
            return HTTPResponse(status: 204)
        }
        if let end = versions[key]?[index].lockedUntil, end > now {
            return refusal(403, "AccessDenied")
        }
        versions[key]?.remove(at: index)
        if versions[key]?.isEmpty == true { versions[key] = nil }
        return HTTPResponse(status: 204)
    }

    private func read(_ key: String, _ id: String?, range: String?) -> HTTPResponse {
        let found = id.map { id in versions[key]?.first { $0.id == id } } ?? versions[key]?.last
        guard let version = found, let bytes = version.bytes else {
            return refusal(404, "NoSuchKey")
        }
        var headers = [(name: "Content-Length", value: String(bytes.count))]
        if let token = version.token {
            headers.append((name: S3Store.tokenHeader, value: token))
        }
        guard let range else { return HTTPResponse(status: 200, headers: headers, body: bytes) }
        let ends = range.dropFirst("bytes=".count).split(separator: "-").compactMap { Int($0) }
        guard ends[0] < bytes.count else { return refusal(416, "InvalidRange") }
        let last = min(ends[1], bytes.count - 1)
        headers.append((name: "Content-Range", value: "bytes \(ends[0])-\(last)/\(bytes.count)"))
        return HTTPResponse(status: 206, headers: headers, body: Array(bytes[ends[0]...last]))
    }
}
