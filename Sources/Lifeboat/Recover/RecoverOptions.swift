import LifeboatMachine
/// Which machines to bring back, and how.
public struct RecoverOptions: Sendable {
    /// Where new disks go.
    public enum Place: Sendable, Equatable {
        case directory(String)
        /// A storage pool of libvirt that is a folder.
        case pool(String)
    }

    /// What new disks are.
    public enum Format: String, Sendable, CaseIterable { case qcow2, raw }

    /// An id, a unique prefix, or `latest`.
    public var point: String
    /// For `latest`: whose.
    public var filter = PointFilter()
    /// Names of machines of the point; all when empty.
    public var machines: [String] = []
    /// The hypervisor.
    public var uri = LibvirtConnection.systemURI
    public var place: Place?
    public var format = Format.qcow2
    /// New names by old ones.
    public var names: [String: String] = [:]
    /// New networks by old ones; `*` stands for all others.
    public var networks: [String: String] = [:]
    /// Whether network interfaces keep their hardware addresses.
    public var keepsAddresses = true
    /// What new addresses are made from; random when `nil`.
    ///
    /// For tests.
    public var addressSeed: UInt64?
    /// Only these disks, as `vda` or `MACHINE/vda`; all when empty.
    public var disks: [String] = []
    /// Whether machines that are shut off lose their definition to the new one.
    public var replaces = false
    public var starts = false
    /// Whether the disks of machines that are there are rolled back.
    public var isInPlace = false
    /// Whether the machines run at once, and their disks follow.
    public var isInstant = false
    /// Whether an interrupted recovery is gone on with.
    public var resumes = false
    public var isDryRun = false
    public var checks: [RecoveryCheck] = []
    public var checkSeconds = 120.0
    /// What looks after machines that run at once says what it does there; `nil` in the foreground.
    public var keeperLog: String?
    /// Where libvirt keeps the states of emulated TPMs.
    public var tpmDirectory = "/var/lib/libvirt/swtpm"
    /// Whether what was written is read again and compared.
    public var verifies = true
    public var memory: UInt64 = 256 << 20
    public var threads = 0

    public init(point: String) { self.point = point }

    /// Whether a disk is among those asked for.
    func wants(_ disk: String, of machine: String) -> Bool {
        disks.isEmpty || disks.contains(disk) || disks.contains("\(machine)/\(disk)")
    }
}
