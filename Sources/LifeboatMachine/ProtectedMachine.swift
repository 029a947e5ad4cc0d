public import LifeboatCore
public import LifeboatVolume

/// A running or stopped machine of some platform, of which a point can be made.
///
/// Calls come in this order: `prepare`, `startSnapshot` (or `pause`, `startSnapshot`, `resume`),
/// `openVolumes`, `finish`; `finish` always, whatever failed. One thread at a time, except for
/// `quiescer`.
public protocol ProtectedMachine: AnyObject, Sendable {
    /// The machine's name in points.
    var name: String { get }
    /// Such as `libvirt 9.0.0, QEMU 7.2.22`.
    var platform: String { get }
    /// Whether the guest runs: one that does not needs no quiescing, and its volumes are whole.
    var isRunning: Bool { get }
    /// The way to the guest's agent; `nil` where there is none.
    var quiescer: (any Quiescer)? { get }
    /// The way to the machine itself for another process; `nil` where there is none.
    var machineAddress: MachineAddress? { get }
    /// What another process has to end where this one dies between `prepare` and `finish`; `nil`
    /// where nothing outlives it.
    var remains: SnapshotRemains? { get }

    /// Whether starting its snapshot freezes and thaws what is to be frozen, by the policy of the
    /// request, so that nobody else quiesces it.
    var quiescesItself: Bool { get }

    /// Does all that may take time before the guest is frozen: looks at bitmaps, cleans up what
    /// earlier runs left behind, makes scratch files.
    ///
    /// - Throws: `.refused` with what to do where it cannot be protected as asked.
    func prepare(_ request: SnapshotRequest) throws(LifeboatError)
    /// Starts the snapshots of all its volumes at one instant, within the timeout.
    func startSnapshot(timeoutSeconds: Double) throws(LifeboatError)
    /// Stops the guest's processors, and lets them run again.
    func pause(timeoutSeconds: Double) throws(LifeboatError)
    func resume(timeoutSeconds: Double) throws(LifeboatError)
    /// The level that its snapshot has by its own doing, without an agent; `nil` where it has none
    /// of its own, and before the snapshot.
    var reachedLevel: ConsistencyLevel? { get }
    /// The frozen volumes; they can be read until `finish`.
    func openVolumes() throws(LifeboatError) -> [SnapshotVolume]
    /// What is needed to make the machine anew.
    func definition() throws(LifeboatError) -> MachineDefinition
    /// Ends the snapshot and cleans up.
    ///
    /// `isDurable`: whether the point stands, so that this snapshot is the next one's base and the
    /// older ones are not needed any more. What could not be cleaned up is returned as warnings;
    /// the next run's `prepare` does it.
    func finish(isDurable: Bool) -> [String]
}

extension ProtectedMachine {
    public var reachedLevel: ConsistencyLevel? { nil }
    public var machineAddress: MachineAddress? { nil }
    public var remains: SnapshotRemains? { nil }
}

extension ProtectedMachine {
    public var quiescesItself: Bool { false }
}

/// What is asked of a machine's snapshot.
public struct SnapshotRequest: Sendable {
    /// Names the line of points that this one continues: eight hexadecimal digits.
    ///
    /// They stand for repository and machine; snapshots of other lines are other people's.
    public var line: String
    /// Names this snapshot: 16 hexadecimal digits, never used before.
    public var snapshot: String
    /// For each volume by name, the snapshot that its newest point was made of, and how many bytes
    /// it had; a volume without one is read whole.
    public var bases: [String: Base]
    public var policy: ProtectionPolicy
    /// A directory of this host that only root may write to, for sockets and the like.
    public var runDirectory: String
    /// A directory for scratch files, which grow with what the guest writes meanwhile.
    public var scratchDirectory: String

    /// The snapshot that a volume's newest point was made of.
    public struct Base: Sendable, Hashable {
        public var snapshot: String
        public var size: UInt64
        public init(snapshot: String, size: UInt64) {
            self.snapshot = snapshot
            self.size = size
        }
    }

    public init(
        line: String, snapshot: String, bases: [String: Base], policy: ProtectionPolicy,
        runDirectory: String, scratchDirectory: String
    ) {
        self.line = line
        self.snapshot = snapshot
        self.bases = bases
        self.policy = policy
        self.runDirectory = runDirectory
        self.scratchDirectory = scratchDirectory
    }
}

/// One frozen volume of a machine.
public struct SnapshotVolume: Sendable {
    /// Such as `vda`.
    public var name: String
    public var reader: any VolumeReader
    /// What the platform says has changed since `base`; `nil` where all must be read.
    public var changes: VolumeChanges?
    /// Why there are no changes to rely on, or what else should be known; told with the point.
    public var notes: [String] = []

    public init(name: String, reader: any VolumeReader, changes: VolumeChanges? = nil) {
        self.name = name
        self.reader = reader
        self.changes = changes
    }
}
