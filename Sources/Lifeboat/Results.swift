public import LifeboatCore

/// What `init` made.
public struct InitialisationResult: Sendable {
    public var repository: Identifier
    public var location: String
    /// Bytes.
    public var chunkSize: Int
    /// Short digest of root and recovery public key, to compare by eye.
    public var fingerprint: String
    public var recoveryKeyFile: String
    /// The five lines of the recovery key, for the page to print.
    ///
    /// Secret.
    public var recoveryKeyLines: [String]
    /// The text of the page's QR code.
    ///
    /// Secret.
    public var recoveryKeyCode: String
}

/// What one volume of a backup came to.
///
/// All numbers are bytes.
public struct VolumeBackupResult: Sendable {
    public var name: String
    public var size: UInt64
    public var bytesRead: UInt64
    public var bytesNew: UInt64
    public var bytesStored: UInt64
    public var bytesZero: UInt64
    public var bytesUnchanged: UInt64
    public var consistency: ConsistencyLevel
    /// `full`, `fingerprints` or `hint`.
    public var method: String
    /// Bytes of the hint's audit sample that were read again.
    public var bytesAudited: UInt64
    /// Whether something went otherwise than asked for: a hint that was wrong, a source that
    /// changed its size, damage met in the parent.
    ///
    /// A live source, told by `consistency`, is not.
    public var isDegraded: Bool
    public var warnings: [String]
}

/// Where a point is.
public enum PointPlace: String, Sendable {
    /// In the repository.
    case remote
    /// In this host's spool, until it can be sent.
    case local
}

/// What `backup` did.
public struct BackupResult: Sendable {
    /// `nil` for a dry run.
    public var point: Digest?
    public var place = PointPlace.remote
    public var machine: String
    public var consistency: ConsistencyLevel
    public var parent: Digest?
    public var volumes: [VolumeBackupResult]
    public var machines: [MachineSummary] = []
    /// Milliseconds between the first and the last snapshot's start, where there was more than one.
    public var skew: UInt64?
    /// Block map, index and log: what was stored besides the data, in bytes.
    public var bytesMetadata: UInt64
    public var durationSeconds: Double
    public var warnings: [String]
}

/// A recovery point as `points` and `show` tell it.
public struct PointSummary: Sendable {
    /// One volume of the point.
    public struct Volume: Sendable {
        public var name: String
        public var size: UInt64
        public var consistency: ConsistencyLevel
        public var method: String
        public var bytesRead: UInt64
        public var bytesNew: UInt64
        public var bytesStored: UInt64
        public var bytesZero: UInt64
        public var bytesUnchanged: UInt64
        public var root: Digest
        public var warnings: [String]
        /// Whether it holds the definition of a machine.
        public var isDefinition = false
    }

    public var id: Digest
    public var machine: String
    public var host: String
    /// Milliseconds since 1970, when reading ended.
    public var time: UInt64
    public var begun: UInt64
    public var consistency: ConsistencyLevel
    public var parent: Digest?
    public var tags: [String: String]
    public var volumes: [Volume]
    public var machines: [MachineSummary] = []
    /// Milliseconds between the first and the last snapshot's start, where there was more than one.
    public var skew: UInt64?
    public var program: String
    public var writer: Identifier
    public var incarnation: Identifier
    public var sequence: UInt64
    /// When a verification last covered this point, milliseconds since 1970, and how deeply:
    /// `structure`, `keyless`, `sample` or `data`.
    ///
    /// `nil` when none did.
    public var verifiedTime: UInt64?
    public var verifiedDepth: String?
    /// Whether it is on hold: nobody can forget it.
    public var isHeld = false
    public var place = PointPlace.remote
    /// Whether it counts as protection of the repository: a point in a spool does only if that was
    /// decided.
    public var counts = true
}

/// What `diff` found for one volume.
public struct VolumeDifference: Sendable {
    public var name: String
    /// `nil` where the point does not have the volume.
    public var oldSize: UInt64?
    public var newSize: UInt64?
    /// Bytes in changed chunks.
    public var bytesChanged: UInt64
    /// Changed extents, neighbours joined; cut off at the limit that the caller gave.
    public var extents: [Extent]
    public var extentCount: UInt64
    public var isCutOff: Bool
}

/// What `stats` counts.
public struct StatisticsResult: Sendable {
    /// What a machine has in the repository.
    public struct Machine: Sendable {
        public var machine: String
        public var points: Int
        public var volumes: Int
        /// Bytes of all volumes of the newest point.
        public var latestSize: UInt64
        /// Sums over the machine's points of what each added.
        public var bytesNew: UInt64
        public var bytesStored: UInt64
        public var oldest: UInt64
        public var newest: UInt64
    }

    public var points: Int
    public var machines: [Machine]
    public var packs: UInt64
    public var packBytes: UInt64
    public var indexRuns: UInt64
    public var indexBytes: UInt64
    public var otherObjects: UInt64
    public var otherBytes: UInt64
    public var damagedPacks: UInt64
}

/// What `restore` did for one volume.
///
/// Numbers are bytes.
public struct VolumeRestoreResult: Sendable {
    public var name: String
    public var target: String
    public var size: UInt64
    public var bytesWritten: UInt64
    /// Sealed bytes of the frames that were read from packs.
    public var bytesFetched: UInt64
    /// Bytes left alone because the target held them already.
    public var bytesMatching: UInt64
    public var bytesVerified: UInt64
    public var writeSeconds: Double
    public var verifySeconds: Double
    /// Bytes that an earlier, interrupted run had done.
    public var bytesResumed: UInt64
}

/// What a restore did.
public struct RestoreResult: Sendable {
    public var point: Digest
    public var volumes: [VolumeRestoreResult]
    public var durationSeconds: Double
}

/// Something that a verification found wrong.
public struct VerificationProblem: Sendable {
    /// The object's name.
    public var object: String
    public var message: String
    /// Which points and volumes cannot be restored whole because of it; may be cut off.
    public var affected: [String]
    /// Whether the object was set aside, so that the next backup heals what it still has.
    public var isSetAside: Bool
}

/// An object that was put back.
public struct RepairedObject: Sendable {
    /// The object's name.
    public var object: String
    /// What was wrong with it.
    public var message: String
    /// The replica that had it.
    public var replica: String
}

/// What a verification looked at and found.
public struct VerificationResult: Sendable {
    /// `structure`, `keyless`, `sample` or `data`.
    public var depth: String
    public var points: Int
    public var packs: UInt64
    public var bytesRead: UInt64
    public var chunksChecked: UInt64
    public var problems: [VerificationProblem]
    /// What was damaged or missing, and is in order now.
    public var repaired: [RepairedObject] = []
    /// False when the record of this verification could not be stored.
    public var isRecorded: Bool
    public var durationSeconds: Double
    /// What this verification could not look into, for want of a key.
    public var notes: [String]
}

/// What a rebuilt index was made of.
public struct IndexRebuildResult: Sendable {
    public var packs: UInt64
    public var entries: UInt64
    public var runs: Int
    public var problems: [VerificationProblem]
}

/// A directory of what this host remembers of one repository.
public struct CacheSummary: Sendable {
    public var repository: String
    public var path: String
    public var bytes: UInt64
    public var lastUsed: UInt64
}

/// What one kind of work achieves on this machine, in bytes of volume per second.
public struct BenchmarkRow: Sendable {
    /// `read`, `zero test`, `hash`, `fingerprint`, `compress`, `encrypt`, `decode`, `all together`.
    public var work: String
    public var oneThread: Double
    public var allThreads: Double
    /// Output bytes for input bytes, for compression.
    public var ratio: Double?
}

/// How fast each stage runs on this host.
public struct BenchmarkResult: Sendable {
    public var source: String
    public var bytes: UInt64
    public var threads: Int
    public var rows: [BenchmarkRow]
    /// What a first backup can reach at most on this data: bytes a second.
    public var combinedThroughput: Double
}
