public import LifeboatCore

/// The machines of a hypervisor, and how each could be protected.
public struct MachineInventory: Sendable, Equatable {
    /// How much of a guest's agent there is.
    public enum Agent: String, Sendable {
        /// The machine has no channel for one.
        case none
        /// There is a channel, and nobody at its other end.
        case disconnected
        case connected
    }

    /// One disk or drive.
    public struct Disk: Sendable, Equatable {
        public var name: String
        public var format: String
        /// `file`, `block`, `network`, ...
        public var kind: String
        public var source: String?
        /// Bytes; 0 where it is not known.
        public var size: UInt64
        /// Why it is left out; `nil` where it is backed up.
        public var omission: String?
        /// Whether only what has changed needs to be read.
        public var isIncremental: Bool
    }

    /// One machine.
    public struct Machine: Sendable, Equatable {
        public var name: String
        public var uuid: String
        /// As `LibvirtDomain.State`.
        public var state: String
        public var isPersistent: Bool
        public var disks: [Disk]
        public var agent: Agent
        /// The strongest level that a point of it can have as it is now.
        public var level: ConsistencyLevel
        /// Checkpoints of other programs.
        public var foreignCheckpoints: [String]
        /// What to write on the command line.
        public var source: String
    }

    public var uri: String
    /// Such as `libvirt 9.0.0, QEMU 7.2.22`.
    public var platform: String
    public var machines: [Machine]

    /// Looks at every machine.
    public init(
        uri: String = LibvirtConnection.systemURI, timeoutSeconds: Double = 60
    ) throws(LifeboatError) {
        let connection = try LibvirtConnection(uri: uri, timeoutSeconds: timeoutSeconds)
        self.uri = uri
        let version = try connection.version()
        let hypervisor = try? connection.hypervisorVersion()
        platform = "libvirt \(version)" + (hypervisor.map { ", QEMU \($0)" } ?? "")
        machines = []
        for domain in try connection.domains() {
            do throws(LifeboatError) {
                machines.append(try Machine(domain, uri: uri))
            } catch {
                // It may be gone by now.
                guard error.code == .missing else { throw error }
            }
        }
    }
}

extension MachineInventory.Machine {
    init(_ domain: LibvirtDomain, uri: String) throws(LifeboatError) {
        let state = try domain.state()
        let xml = try DomainXML(parsing: try domain.xml(), subject: domain.name)
        name = domain.name
        uuid = domain.uuid
        self.state = state.rawValue
        isPersistent = try domain.isPersistent()
        agent =
            !xml.hasAgentChannel
            ? .none : xml.agentState == "connected" ? .connected : .disconnected
        // How one that does not run was shut off is not known, and a paused one cannot be asked.
        level = state == .running && agent == .connected ? .filesystem : .crash
        foreignCheckpoints = ((try? domain.checkpoints()) ?? []).map(\.name)
            .filter { SnapshotName($0) == nil }
        source =
            ShellWord.quoted("libvirt:\(domain.name)")
            + (uri == LibvirtConnection.systemURI ? "" : " --connect \(ShellWord.quoted(uri))")
        disks = []
        for disk in xml.disks {
            let size = disk.source == nil ? nil : try? domain.blockInformation(disk.target).capacity
            disks.append(
                MachineInventory.Disk(
                    name: disk.target, format: disk.format, kind: disk.kind, source: disk.source,
                    size: size ?? 0, omission: LibvirtMachine.omission(disk),
                    isIncremental: disk.format == "qcow2"))
        }
    }
}
