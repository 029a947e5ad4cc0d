public import LifeboatCore
internal import LifeboatSystem

/// A store in a container of OpenStack Swift, or below a prefix in one; Ceph's gateway will do.
///
/// - A put is one request, which the service takes whole or not at all, and compares with its MD5.
/// - Swift excludes nobody: of two that put the same name at once both may be told that they did.
///   A random token goes with each put, and reading it back tells whose object stands.
public final class SwiftStore: ObjectStore {
    public let location: String
    let container: String
    private let prefix: String
    let connection: SwiftConnection
    let pageCount: Int?
    private let cache: CapabilityCache?
    private let known = Guarded<Known?>(nil)
    private let information = Guarded<Information>(.unknown)
    /// Whether the container was seen to be there.
    private let hasContainer = Guarded(false)

    private struct Known: Sendable {
        var capabilities: StoreCapabilities
        var time: UInt64
    }

    /// What the server tells of itself.
    private enum Information: Sendable {
        case unknown
        case known(SwiftInformation?)
    }

    private static let usualBulkLimit = 10_000

    /// The metadata with the token of the put.
    static let tokenHeader = "X-Object-Meta-Lifeboat-Put"
    /// What Swift takes unless it is set up otherwise.
    private static let usualMaximum: UInt64 = 5_368_709_122

    /// Opens the store; nothing is asked of it until it is used.
    public convenience init(
        _ location: SwiftLocation, _ options: StoreOptions
    ) throws(LifeboatError) {
        let credentials = try SwiftCredentials.find(for: location, options.environment)
        var http = try options.http(
            location: location.description,
            authorities: [credentials.storageURL ?? "", credentials.authURL].compactMap(
                LinkTarget.authority))
        http.authorityFile = credentials.caFile
        self.init(location, credentials, options, transport: HTTPClient(http))
    }

    init(
        _ location: SwiftLocation, _ credentials: SwiftCredentials, _ options: StoreOptions,
        transport: any HTTPTransport, session: SwiftSession? = nil
    ) {
        self.location = location.description
        container = location.container
        prefix = location.prefix.isEmpty ? "" : location.prefix + "/"
        pageCount = options.listingPageCount
        cache = options.cacheDirectory.map {
            CapabilityCache(
                directory: $0, location: location.description, user: credentials.account)
        }
        let authentication = SwiftAuthentication(credentials: credentials, transport: transport)
        connection = SwiftConnection(
            transport: transport,
            session: session
                ?? SwiftSession { () throws(LifeboatError) in try authentication.grant() })
    }

    public var capabilities: StoreCapabilities {
        recall()?.capabilities
            ?? StoreCapabilities(conditionalPut: false, maximumObjectBytes: Self.usualMaximum)
    }

    public var probeTime: UInt64? { recall()?.time }

    public let parallelRequests = 16

    public func probe() throws(LifeboatError) {
        let time = Clock.milliseconds()
        var found = try SwiftProbe(store: self).run()
        found.maximumObjectBytes =
            try serverInformation()?.swift?.max_file_size ?? Self.usualMaximum
        known.withLock { $0 = Known(capabilities: found, time: time) }
        cache?.save(found, at: time)
    }

    private func recall() -> Known? {
        if let known = known.withLock({ $0 }) { return known }
        guard let record = cache?.load() else { return nil }
        let found = Known(capabilities: record.capabilities, time: record.time)
        known.withLock { $0 = found }
        return found
    }

    /// What the server tells of itself; asked once.
    func serverInformation() throws(LifeboatError) -> SwiftInformation? {
        try information.withLock { information throws(LifeboatError) in
            if case .known(let known) = information { return known }
            let found = try connection.information()
            information = .known(found)
            return found
        }
    }

    /// How many objects a bulk deletion may name; `nil` where there is none.
    func bulkLimit() throws(LifeboatError) -> Int? {
        guard let bulk = try serverInformation()?.bulk_delete else { return nil }
        return bulk.max_deletes_per_request ?? Self.usualBulkLimit
    }

    /// Makes the container unless it is there already.
    public func makeContainer() throws(LifeboatError) {
        // Who was only given access to it may not make containers.
        let found = try connection.send(.head, resource, subject: location).response
        if (200..<300).contains(found.status) { return }
        let made = try connection.send(.put, resource, subject: location).response
        guard (200..<300).contains(made.status) else { throw error(made, location) }
    }

    /// The service answers the same to a missing object and to a missing container.
    private func requireContainer() throws(LifeboatError) {
        if hasContainer.withLock({ $0 }) { return }
        let response = try connection.send(.head, resource, subject: location).response
        guard response.status != 404 else { throw noContainer(response) }
        if (200..<300).contains(response.status) { hasContainer.withLock { $0 = true } }
    }

    /// What a status of 404 means where no object is asked for.
    func noContainer(_ response: HTTPResponse) -> LifeboatError {
        LifeboatError(
            .noRepository, "there is no container \(container)", subject: location,
            cause: SwiftRefusal.cause(response),
            advice: "check container, project and region; lifeboat init makes the container")
    }

    public func get(_ name: ObjectName, limit: Int) throws(LifeboatError) -> [UInt8] {
        let response = try connection.send(
            .get, resource(name), subject: name.path, limit: max(limit, Self.messageLimit)
        ).response
        if response.status == 404 { try requireContainer() }
        guard response.status == 200 else { throw error(response, name.path) }
        hasContainer.withLock { $0 = true }
        guard response.body.count <= limit else {
            throw LifeboatError(
                .damaged, "\(name) is larger than the \(limit) bytes it may have",
                subject: name.path)
        }
        return response.body
    }

    public func readBeginning(
        _ name: ObjectName, into target: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError) -> (count: Int, size: UInt64)? {
        var size: UInt64?
        do throws(LifeboatError) {
            let count = try read(name, at: 0, into: target, size: &size)
            if let size { return (count, size) }
            return try self.size(name).map { (count, $0) }
        } catch {
            guard error.code == .missing else { throw error }
            return nil
        }
    }

    public func read(
        _ name: ObjectName, at offset: UInt64, into target: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError) -> Int {
        var size: UInt64?
        return try read(name, at: offset, into: target, size: &size)
    }

    /// `size`: the whole object's, where the answer tells it.
    private func read(
        _ name: ObjectName, at offset: UInt64, into target: UnsafeMutableRawBufferPointer,
        size: inout UInt64?
    ) throws(LifeboatError) -> Int {
        // No object reaches as far.
        guard !target.isEmpty, offset < UInt64(Int64.max) else {
            if try self.size(name) != nil { return 0 }
            throw LifeboatError(.missing, "\(name) is not there", subject: name.path)
        }
        let end = offset + UInt64(target.count)
        let response = try connection.send(
            .get, resource(name), subject: name.path,
            headers: [("Range", "bytes=\(offset)-\(end - 1)")], target: target,
            limit: Self.messageLimit
        ).response
        switch response.status {
        case 206:
            let range = response.header("Content-Range").flatMap { ContentRange($0) }
            guard let range, range.first == offset,
                offset + UInt64(response.receivedCount) == min(end, range.total ?? end)
            else { throw otherPart(name) }
            size = range.total
            return response.receivedCount
        // The whole object, where it is no larger than what was asked for.
        case 200 where offset == 0:
            size = UInt64(response.receivedCount)
            return response.receivedCount
        case 200: throw otherPart(name)
        // It ends before the offset.
        case 416: return 0
        default: throw error(response, name.path)
        }
    }

    public func size(_ name: ObjectName) throws(LifeboatError) -> UInt64? {
        let response = try head(name)
        guard response.status != 404 else { return nil }
        guard let text = response.header("Content-Length"), let size = UInt64(text) else {
            throw LifeboatError(
                .unavailable, "the object store does not tell the size of \(name)",
                subject: name.path)
        }
        return size
    }

    /// The headers of an object; the status is 404 or one of success.
    func head(_ name: ObjectName, newest: Bool = false) throws(LifeboatError) -> HTTPResponse {
        let response = try connection.send(
            .head, resource(name), subject: name.path,
            headers: newest ? [("X-Newest", "true")] : []
        ).response
        guard response.status == 404 || (200..<300).contains(response.status) else {
            throw error(response, name.path)
        }
        return response
    }

    private static let messageLimit = 1 << 16

    /// The container itself.
    var resource: SwiftConnection.Resource {
        SwiftConnection.Resource(path: "/" + PercentText.encode(container))
    }

    func resource(_ name: ObjectName) -> SwiftConnection.Resource {
        SwiftConnection.Resource(path: path(key(name.path)))
    }

    /// The percent-encoded path of a key, below the account.
    func path(_ key: String) -> String {
        "/" + PercentText.encode(container) + "/" + PercentText.encode(key, keepingSlashes: true)
    }

    /// The name in the container.
    func key(_ path: String) -> String { prefix + path }

    /// The object of a name in the container; `nil` if there cannot be one.
    func name(ofKey key: String) -> ObjectName? {
        guard key.hasPrefix(prefix) else { return nil }
        return ObjectName(validating: String(key.dropFirst(prefix.count)))
    }

    func error(_ response: HTTPResponse, _ subject: String) -> LifeboatError {
        SwiftRefusal.error(response, subject: subject, container: container)
    }

    private func otherPart(_ name: ObjectName) -> LifeboatError {
        LifeboatError(
            .unavailable, "the object store sends another part of \(name) than was asked for",
            subject: name.path)
    }
}
