import LifeboatCore
import LifeboatFormat
public import LifeboatMachine
public import LifeboatVolume

/// What to back up, and how.
public struct BackupOptions: Sendable {
    /// A volume to be backed up.
    public struct Source: Sendable {
        public var name: String
        /// A path, the URI of an NBD export, or `-` for standard input.
        public var path: String
        /// What reads the volume; `nil` for what `VolumeOpener` finds at `path`.
        public var reader: (any VolumeReader)?
        /// What a tracker says has changed since a snapshot; checked before it is believed.
        var changes: VolumeChanges?
        /// What the snapshot that is read promises; `crash` where nobody says more.
        var consistency: ConsistencyLevel?
        var content = PointBody.Volume.Content.disk

        /// A file, a block device, an image, an NBD export, or standard input.
        public init(name: String, path: String) {
            self.name = name
            self.path = path
        }

        /// A volume that the caller reads by means of its own.
        public init(name: String, reader: any VolumeReader) {
            self.name = name
            self.reader = reader
            path = reader.name
        }
    }

    public var machine: String
    public var sources: [Source]
    /// Machines to protect while they run on; their volumes come besides `sources`.
    public var members: [BackupMember] = []
    /// For sockets, and for scratch files, which grow with what guests write meanwhile.
    public var runDirectory = "/run/lifeboat"
    public var scratchDirectory = "/var/lib/lifeboat-scratch"
    /// What starts the process that thaws guests when this one dies; `nil` for none.
    public var guardian: (any GuardianStarting)?
    /// Paths of changed-extents files, by volume name.
    public var changedExtents: [String: String] = [:]
    /// A point (id, prefix or `latest`) to compare with, instead of the machine's newest.
    public var parent: String?
    public var tags: [String: String] = [:]
    public var isDryRun = false
    /// Whether fingerprints may stand in for hashes where nothing changed.
    public var usesFingerprints = true
    /// zstd level.
    public var compressionLevel: Int32 = 3
    /// Audit sample of what a hint calls unchanged: at most this many chunks and bytes.
    public var auditChunks = 1024
    public var auditBytes: UInt64 = 64 << 20
    /// Seed of the audit sample; random when `nil`.
    ///
    /// For tests.
    public var auditSeed: UInt64?
    /// Peak memory to aim at, in bytes.
    public var memory: UInt64 = 256 << 20
    /// Worker threads; 0 for one a processor.
    public var threads = 0
    /// The point that is taken over from another repository: who made it, when, and how consistent
    /// it is, are those of that one.
    var origin: PointBody?

    public init(machine: String, sources: [Source]) {
        self.machine = machine
        self.sources = sources
    }
}

/// Which points are meant; what is `nil` or empty lets all pass.
public struct PointFilter: Sendable {
    public var machine: String?
    public var host: String?
    public var tags: [String: String] = [:]
    public init() {}
}

/// What to restore, and where to.
public struct RestoreOptions: Sendable {
    /// An id, a unique prefix, or `latest`.
    public var point: String
    /// For `latest`: whose.
    public var filter = PointFilter()
    /// A file, a block device, an image, an NBD export, `-`, or a directory when several volumes
    /// are restored.
    public var target: String
    /// Where a volume goes whose target is `-`.
    public var outputDescriptor: Int32 = 1
    /// Restores only these volumes; all when empty.
    public var volumes: [String] = []
    public var isInPlace = false
    public var resumes = false
    /// Whether what was written is read again and compared.
    public var verifies = true
    public var memory: UInt64 = 256 << 20
    public var threads = 0

    public init(point: String, target: String) {
        self.point = point
        self.target = target
    }
}

/// How thoroughly to verify.
public struct VerificationOptions: Sendable {
    /// What is looked at.
    public enum Depth: Sendable {
        case structure
        /// Every byte.
        case data
        /// This many percent of the packs, chosen anew each time.
        case sample(percent: Int)
        /// Names' hashes and signatures; needs no secret.
        case keyless
    }

    public var depth = Depth.structure
    /// Whether what is damaged or missing is put back from replicas.
    public var repairs = false
    /// The only replica to take it from; `nil` for all that this host knows of.
    public var replica: String?
    public var memory: UInt64 = 256 << 20
    public var threads = 0
    /// Seed of the sample; random when `nil`.
    ///
    /// For tests.
    public var seed: UInt64?
    public init() {}
}
