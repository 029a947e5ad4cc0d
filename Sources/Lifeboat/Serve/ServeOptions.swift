import LifeboatCore

/// What to serve, and where.
public struct ServeOptions: Sendable {
    /// Where clients connect.
    public enum Place: Sendable, Hashable {
        /// A UNIX socket; a fresh one in a folder that only this user enters when `nil`.
        case socket(path: String?)
        /// TCP; with encryption only.
        case port(host: String, number: UInt16)
    }

    /// How connections are encrypted, and who may connect.
    public enum Encryption: Sendable, Hashable {
        /// A folder with `ca-cert.pem`, `server-cert.pem` and `server-key.pem`; clients must show
        /// a certificate of the same authority.
        case certificates(directory: String)
        /// A file of `user:key` lines, as `psktool` writes it.
        case sharedKeys(file: String)
    }

    /// The repository; its recovery key file is needed, and suffices.
    public var access: RepositoryAccess
    /// An id, a unique prefix, or `latest`.
    public var point: String
    /// For `latest`: whose.
    public var filter = PointFilter()
    /// What is served to who names no export; else the first disk.
    public var volume: String?
    public var place = Place.socket(path: nil)
    public var encryption: Encryption?
    /// Bytes of disk for frames of a repository behind a network.
    public var cacheSize: UInt64 = 4 << 30
    /// Peak memory to aim at, in bytes.
    public var memory: UInt64 = 256 << 20
    /// Whether the server goes on when this process ends.
    public var isDetached = false
    /// Gets the server's process number.
    public var pidFile: String?
    /// Gets what the server says, behind what is there; needed when it is detached.
    public var logFile: String?
    /// How long it may take until the server answers.
    public var startSeconds = 120.0

    public init(access: RepositoryAccess, point: String) {
        self.access = access
        self.point = point
    }
}
