public import LifeboatCore

/// Which points to take over, and from where.
public struct PullOptions: Sendable {
    /// The tag by which a point says where it was taken over from: the repository's id, a slash,
    /// and its id there.
    public static let originTag = "origin"

    /// The other repository.
    public var source: String
    /// A file with its recovery key.
    public var recoveryKeyFile: String
    /// Ids, unique prefixes or `latest`; all that the filter lets pass when empty.
    public var points: [String] = []
    public var filter = PointFilter()
    public var memory: UInt64 = 256 << 20
    public var threads = 0

    public init(source: String, recoveryKeyFile: String) {
        self.source = source
        self.recoveryKeyFile = recoveryKeyFile
    }
}

/// A point that is here now.
public struct PulledPoint: Hashable, Sendable {
    /// Its id here.
    public var id: Digest
    /// Its id in the repository that it comes from.
    public var origin: Digest
    public var machine: String
    /// False when it had been taken over before.
    public var isNew: Bool
}

/// What `pull` did.
public struct PullResult: Sendable {
    /// The repository that the points come from.
    public var source: Identifier
    public var points: [PulledPoint] = []
    /// Bytes of volumes that were read there.
    public var bytesRead: UInt64 = 0
    public var bytesStored: UInt64 = 0
    public var durationSeconds = 0.0

    init(source: Identifier) { self.source = source }
}
