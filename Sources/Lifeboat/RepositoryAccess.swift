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

    public init(
        location: String, secret: Secret, recoveryKeyFile: String? = nil, stateDirectory: String,
        cacheDirectory: String, environment: [String: String] = [:]
    ) {
        self.location = location
        self.secret = secret
        self.recoveryKeyFile = recoveryKeyFile
        self.stateDirectory = stateDirectory
        self.cacheDirectory = cacheDirectory
        self.environment = environment
    }

    /// Throws `.usage` if a text is no location; nothing is opened.
    public static func check(location: String) throws(LifeboatError) {
        _ = try StoreLocation(location)
    }

    /// Opens what `location` names, or makes the directory, bucket or container if it is missing.
    ///
    /// `locks`: one that locks objects. `events` hears what people must know of the store.
    func store(
        makes: Bool = false, locks: Bool = false, events: any EventSink
    ) throws(LifeboatError) -> any ObjectStore {
        let place = try StoreLocation(location)
        let options = StoreOptions(
            environment: environment, cacheDirectory: cacheDirectory,
            notice: { events.tell(.warning($0)) })
        return makes ? try place.create(options, locks: locks) : try place.open(options)
    }
}
