public import LifeboatCore
internal import LifeboatSystem

/// A store in a bucket of an S3 service, or below a prefix in one.
///
/// - A put is one request, which the service takes whole or not at all.
/// - What the service can be relied on for is asked before the first put; see `probe`.
/// - A random token goes with each put, so that after a lost reply it can be told whose object is
///   there.
public final class S3Store: ObjectStore {
    public let location: String
    let endpoint: S3Endpoint
    let pageCount: Int
    private let signer: RequestSigner
    private let transport: any HTTPTransport
    private let cache: CapabilityCache?
    private let known = Guarded<Known?>(nil)
    /// Held while the store is asked: others wait for the answer.
    private let asking = Guarded<Void>(())
    private let refusesBulkDeletion = Guarded(false)
    let lockState = Guarded(LockState())
    /// By name, in a bucket with object lock.
    let firstVersions = Guarded<[String: VersionGroup.First]>([:])
    let notice: @Sendable (String) -> Void

    private struct Known: Sendable {
        var capabilities: StoreCapabilities
        var time: UInt64
    }

    /// As many as S3 lists at once.
    private static let standardPageCount = 1000
    /// The largest that S3 takes in one put.
    static let maximumObjectBytes: UInt64 = 5 << 30

    /// Opens the store; nothing is asked of it until it is used.
    public convenience init(
        _ location: S3Location, _ options: StoreOptions
    ) throws(LifeboatError) {
        let settings = try S3Settings(environment: options.environment)
        var http = try options.http(
            location: location.description, authorities: [location.authority])
        http.authorityFile = location.authorityFile ?? settings.authorityFile
        self.init(location, settings, options, transport: HTTPClient(http))
    }

    init(
        _ location: S3Location, _ settings: S3Settings, _ options: StoreOptions,
        transport: any HTTPTransport
    ) {
        self.location = location.description
        self.transport = transport
        notice = options.notice
        endpoint = S3Endpoint(location, region: settings.region)
        signer = RequestSigner(credentials: settings.credentials, region: endpoint.region)
        pageCount = options.listingPageCount ?? Self.standardPageCount
        cache = options.cacheDirectory.map {
            CapabilityCache(
                directory: $0, location: location.description,
                user: settings.credentials.accessKey)
        }
    }

    public var capabilities: StoreCapabilities {
        recall()?.capabilities
            ?? StoreCapabilities(
                conditionalPut: false, maximumObjectBytes: Self.maximumObjectBytes,
                orderedListing: false)
    }

    public var probeTime: UInt64? { recall()?.time }

    public let parallelRequests = 16

    public var locking: (any ObjectLocking)? { self }

    public func probe() throws(LifeboatError) {
        try asking.withLock { _ throws(LifeboatError) in try ask() }
    }

    /// The capabilities; asks the store if they are not known.
    func knownCapabilities() throws(LifeboatError) -> StoreCapabilities {
        if let known = recall() { return known.capabilities }
        return try asking.withLock { _ throws(LifeboatError) in
            if recall() == nil { try ask() }
            return capabilities
        }
    }

    private func ask() throws(LifeboatError) {
        let time = Clock.milliseconds()
        let found = try S3Probe(store: self).run()
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

    var isWithoutBulkDeletion: Bool { refusesBulkDeletion.withLock { $0 } }

    func rememberNoBulkDeletion() { refusesBulkDeletion.withLock { $0 = true } }

    // MARK: requests

    /// What a request is about, besides who asks.
    struct Request {
        var method: HTTPMethod
        /// A name or prefix in this store; `nil` for the bucket.
        var path: String?
        var query: [(name: String, value: String)] = []
        var headers: [(name: String, value: String)] = []
        var body: [UnsafeRawBufferPointer] = []
        /// The SHA-256 of the body, where it is known.
        var digest: Digest?

        init(_ method: HTTPMethod, _ path: String? = nil) {
            self.method = method
            self.path = path
        }
    }

    private static let emptyDigest = SignatureHash.digest([UInt8]())

    /// Does a request, signed anew at each attempt.
    func send(
        _ request: Request, target: UnsafeMutableRawBufferPointer? = nil, limit: Int = 1 << 20,
        isWorthRetrying: (HTTPResponse) -> Bool = HTTPClient.isTransient
    ) throws(LifeboatError) -> (response: HTTPResponse, isAmbiguous: Bool) {
        let address = endpoint.target(
            key: request.path.map(endpoint.key), query: request.query)
        let digest =
            request.digest
            ?? (request.body.isEmpty ? Self.emptyDigest : SignatureHash.digest(request.body))
        return try transport.perform(
            subject: request.path ?? location, body: request.body, target: target, limit: limit,
            isWorthRetrying: isWorthRetrying
        ) { _ throws(LifeboatError) in
            HTTPRequest(
                request.method, address.url,
                headers: signer.headers(
                    .init(method: request.method, path: address.path, query: address.query),
                    host: address.host, headers: request.headers, payload: digest,
                    milliseconds: Clock.milliseconds()))
        }
    }

    /// The error that a refusal stands for.
    func error(_ response: HTTPResponse, _ subject: String?) -> LifeboatError {
        S3Refusal(endpoint: endpoint).error(response, subject: subject ?? location)
    }

    /// Says which put an object comes from.
    static let tokenHeader = "x-amz-meta-lifeboat-put"
}
