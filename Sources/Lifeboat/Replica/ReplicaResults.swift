import LifeboatArchive
public import LifeboatCore

/// Which replica to begin.
public struct ReplicaOptions: Sendable {
    public var name: String
    public var location: String
    /// Takes only points of these machines; of all when empty.
    public var machines: [String] = []
    /// Takes only points with all of these tags.
    public var tags: [String: String] = [:]

    public init(name: String, location: String) {
        self.name = name
        self.location = location
    }
}

/// How to bring a replica up to date.
public struct ReplicaSyncOptions: Sendable {
    public var isDryRun = false
    /// Whether to ask the replica for every object, also for those that it is known to have.
    public var asksForAll = false
    /// Whether to go on without objects that the repository itself has lost.
    public var acceptsDamage = false
    public var memory: UInt64 = 256 << 20
    public var threads = 0

    public init() {}
}

/// A replica that this host knows of.
public struct ReplicaSummary: Sendable {
    public var name: String
    public var location: String
    public var machines: [String]
    public var tags: [String: String]
    /// When this host last brought it up to date; milliseconds since 1970, `nil` for never.
    public var synced: UInt64?
    /// Whether it lacks objects that the repository had lost then.
    public var isIncomplete: Bool

    init(_ record: ReplicaRecord) {
        name = record.name
        location = record.location
        machines = record.machines
        tags = record.tags
        synced = record.synced == 0 ? nil : record.synced
        isIncomplete = record.isIncomplete
    }
}

/// What `replica sync` did for one replica, or would do.
public struct ReplicaSyncResult: Sendable {
    public var replica: ReplicaSummary
    /// The number of the view that stands; 0 for none.
    public var view: UInt64 = 0
    /// Points that the replica shows now.
    public var points = 0
    /// Points that it was not given.
    public var absentPoints = 0
    public var packsCopied = 0
    /// Packs, index runs and bodies.
    public var objectsCopied = 0
    public var entriesCopied = 0
    public var bytesCopied: UInt64 = 0
    public var deletedObjects = 0
    public var deletedBytes: UInt64 = 0
    /// Whether it has all that the repository had.
    public var isComplete = false
    /// What the repository has lost.
    public var damaged: [LifeboatError] = []
    public var notes: [String] = []
    /// Why it could not be brought up to date, where others could.
    public var failure: LifeboatError?
    public var durationSeconds = 0.0

    init(replica: ReplicaSummary) { self.replica = replica }
}
