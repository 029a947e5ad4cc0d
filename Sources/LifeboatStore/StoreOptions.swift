public import LifeboatCore

/// What opening a store takes besides its location.
public struct StoreOptions: Sendable {
    /// The variables that credentials, certificates and deadlines are found by.
    public var environment: [String: String]
    /// Where this host remembers what stores can do; `nil` to ask them in each run.
    public var cacheDirectory: String?
    /// Hears what people must know of a store.
    public var notice: @Sendable (String) -> Void
    /// How many objects a page of a listing has at most; `nil` for what is best.
    public var listingPageCount: Int?
    /// A wish to end the process, after which a store behind a network is not waited for long.
    public var cancellation: Cancellation?
    /// What the connections to it share; `nil` for no limits.
    public var network: NetworkAccess?

    public init(
        environment: [String: String] = [:], cacheDirectory: String? = nil,
        listingPageCount: Int? = nil, cancellation: Cancellation? = nil,
        network: NetworkAccess? = nil, notice: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        self.environment = environment
        self.cacheDirectory = cacheDirectory
        self.listingPageCount = listingPageCount
        self.cancellation = cancellation
        self.network = network
        self.notice = notice
    }
}

extension StoreLocation {
    /// Opens the store; nothing is asked of it before it is used.
    /// - Throws: `.denied` without credentials where they are needed.
    public func open(_ options: StoreOptions) throws(LifeboatError) -> any ObjectStore {
        switch self {
        case .directory(let path): return DirectoryStore(path: path)
        case .s3(let location): return ReadAheadStore(try S3Store(location, options))
        case .swift(let location): return ReadAheadStore(try SwiftStore(location, options))
        }
    }

    /// Opens the store, and makes the directory, the bucket or the container if it is missing.
    ///
    /// - Throws: `.refused` if it cannot lock objects and `locks` them.
    public func create(
        _ options: StoreOptions, locks: Bool = false
    ) throws(LifeboatError) -> any ObjectStore {
        switch self {
        case .directory, .swift:
            guard locks else { break }
            throw LifeboatError(
                .refused, "a \(kind == "swift" ? "Swift store" : "directory") cannot lock objects",
                advice: "an immutable repository needs a bucket of an S3 store with object lock")
        case .s3: break
        }
        switch self {
        case .directory(let path): return try DirectoryStore.create(path: path)
        case .s3(let location):
            let store = try S3Store(location, options)
            try store.makeBucket(locks: locks)
            return ReadAheadStore(store)
        case .swift(let location):
            let store = try SwiftStore(location, options)
            try store.makeContainer()
            return ReadAheadStore(store)
        }
    }
}
