public import LifeboatCodec
public import LifeboatCore
import LifeboatStore

/// Where a repository is, what opens it, and where this host keeps what it remembers of it.
public struct RepositoryAccess: Sendable {
    /// What opens a repository.
    public enum Secret: Sendable {
        /// Nothing: only what needs no key, such as a keyless verification.
        case none
        case password(SecretBytes)
        /// The path of a key file that `key add --new-key-file` wrote.
        case keyFile(String)
        /// The path of a recovery key file; suffices alone to read everything.
        case recoveryKey(String)
    }

    /// A directory's path, or the address of a bucket or container, such as
    /// `s3:https://HOST/BUCKET/PREFIX` or `swift:CONTAINER/PREFIX`.
    public var location: String
    public var secret: Secret
    /// The recovery key file where the operation reads data back, besides `secret`.
    public var recoveryKeyFile: String?
    /// Heads, session journals, fingerprints.
    ///
    /// Must survive reboots.
    public var stateDirectory: String
    /// Index runs and log entries, to be had again from the repository.
    public var cacheDirectory: String
    /// The variables by which credentials for object stores are found, such as `AWS_PROFILE`.
    public var environment: [String: String]
    /// Where backups go while the store cannot be reached, whatever its link says; `nil` where the
    /// link decides.
    public var spool: SpoolSettings?
    /// How the store may be reached.
    public let network: NetworkOptions
    /// What all connections of this access, and of its copies, share.
    private let connections: NetworkAccess

    public init(
        location: String, secret: Secret, recoveryKeyFile: String? = nil, stateDirectory: String,
        cacheDirectory: String, environment: [String: String] = [:],
        network: NetworkOptions = NetworkOptions()
    ) {
        self.location = location
        self.secret = secret
        self.recoveryKeyFile = recoveryKeyFile
        self.stateDirectory = stateDirectory
        self.cacheDirectory = cacheDirectory
        self.environment = environment
        var network = network
        network.stateDirectory = network.stateDirectory ?? stateDirectory
        self.network = network
        connections = NetworkAccess(network)
    }

    /// Throws `.usage` if a text is no location; nothing is opened.
    public static func check(location: String) throws(LifeboatError) {
        _ = try StoreLocation(location)
    }

    /// Finds out what can be known before anything is asked of the store: credentials that are
    /// missing, limits that cannot hold, a link that is suspended.
    ///
    /// `usesSpool`: whether a suspended link is no fault where there is a spool.
    public func check(usesSpool: Bool = false) throws(LifeboatError) {
        if case .directory = try StoreLocation(location) {
            guard !network.isRestricted else {
                throw LifeboatError(
                    .usage, "a directory has no connections to limit or to bind",
                    subject: location,
                    advice: "leave out limits, source address and interface")
            }
            guard spool == nil else {
                throw LifeboatError(
                    .usage, "a directory needs no spool", subject: location,
                    advice: "leave out --spool")
            }
            return
        }
        do throws(LifeboatError) {
            _ = try store(cancellation: nil)
        } catch {
            guard usesSpool, error.code == .suspended, try spoolSettings() != nil else {
                throw error
            }
        }
    }

    /// Where backups go while the store cannot be reached; `nil` for nowhere.
    func spoolSettings() throws(LifeboatError) -> SpoolSettings? {
        if let spool { return spool }
        let place = try StoreLocation(location)
        if case .directory = place { return nil }
        do throws(LifeboatError) {
            _ = try store(cancellation: nil)
        } catch {
            guard error.code == .suspended else { throw error }
        }
        return connections.spool(for: place)
    }

    /// The repository's place as its store would name it.
    func placeName() throws(LifeboatError) -> String {
        switch try StoreLocation(location) {
        case .directory(let path): path
        case .s3(let location): location.description
        case .swift(let location): location.description
        }
    }

    /// Opens the store at `place`, by default at `location`; `makes` the directory, bucket or
    /// container if it is missing.
    ///
    /// `locks`: one that locks objects. `events` hears what people must know of the store. After
    /// `cancellation` was asked for, a silent store is not waited for long.
    func store(
        at place: String? = nil, makes: Bool = false, locks: Bool = false,
        events: (any EventSink)? = nil, cancellation: Cancellation?
    ) throws(LifeboatError) -> any ObjectStore {
        let place = try StoreLocation(place ?? location)
        let options = StoreOptions(
            environment: environment, cacheDirectory: cacheDirectory, cancellation: cancellation,
            network: connections, notice: { events?.tell(.warning($0)) })
        return makes ? try place.create(options, locks: locks) : try place.open(options)
    }
}
