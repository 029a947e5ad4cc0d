/// What a run has in a hypervisor as long as it reads, so named that another process can end it.
///
/// Jobs, nodes and files bear the line and the snapshot in their names or paths; nothing else is
/// ever ended or removed by it.
public struct SnapshotRemains: Sendable, Equatable, Codable {
    /// The machine's name.
    public var machine: String
    public var address: MachineAddress
    /// As in the run's `SnapshotRequest`, and so are the others.
    public var line: String
    public var snapshot: String
    /// The whole paths of both directories.
    public var runDirectory: String
    public var scratchDirectory: String

    public init(
        machine: String, address: MachineAddress, line: String, snapshot: String,
        runDirectory: String, scratchDirectory: String
    ) {
        self.machine = machine
        self.address = address
        self.line = line
        self.snapshot = snapshot
        self.runDirectory = runDirectory
        self.scratchDirectory = scratchDirectory
    }
}
