/// A machine in words that belong to no platform.
///
/// Source: formats/machine.md, `machine.json`. Fields are only ever added.
public struct MachineDescription: Sendable, Equatable, Codable {
    /// How the machine starts.
    public enum Firmware: String, Sendable, Codable { case bios, uefi }

    /// A disk, in the order in which the machine has them.
    public struct Disk: Sendable, Equatable, Codable {
        /// The name that the platform gives it, such as `vda`.
        public var name: String
        /// The point's volume with its bytes; `nil` where it was not backed up.
        public var volume: String?
        /// Bytes.
        public var size: UInt64
        /// Such as `virtio`, `scsi`, `sata`, `ide`, `usb`.
        public var bus: String
        /// The format that it had on the host, such as `qcow2` or `raw`.
        public var format: String
        public var serial: String?
        public var isReadOnly: Bool
        /// From 1; `nil` where the machine does not boot from it.
        public var bootOrder: Int?

        public init(
            name: String, volume: String?, size: UInt64, bus: String, format: String,
            serial: String? = nil, isReadOnly: Bool = false, bootOrder: Int? = nil
        ) {
            self.name = name
            self.volume = volume
            self.size = size
            self.bus = bus
            self.format = format
            self.serial = serial
            self.isReadOnly = isReadOnly
            self.bootOrder = bootOrder
        }
    }

    /// A network interface.
    public struct Interface: Sendable, Equatable, Codable {
        /// Six pairs of hexadecimal digits with colons between them.
        public var mac: String
        /// The platform's name of what it is connected to.
        public var network: String?
        /// `network`, `bridge`, `direct`, `user`, or what else the platform says.
        public var kind: String
        public var model: String?
        /// Addresses with their prefix lengths that the guest had, as far as could be learned.
        public var addresses: [String]
        public var bootOrder: Int?

        public init(
            mac: String, network: String?, kind: String, model: String? = nil,
            addresses: [String] = [], bootOrder: Int? = nil
        ) {
            self.mac = mac
            self.network = network
            self.kind = kind
            self.model = model
            self.addresses = addresses
            self.bootOrder = bootOrder
        }
    }

    /// 1: what this build writes.
    public var version: Int
    public var name: String
    public var uuid: String?
    /// Where it came from: `libvirt`, `qemu`.
    public var platform: String
    /// Such as `x86_64`.
    public var architecture: String
    public var processors: Int
    /// Bytes.
    public var memory: UInt64
    public var firmware: Firmware
    public var hasSecureBoot: Bool
    public var hasTPM: Bool
    public var disks: [Disk]
    public var interfaces: [Interface]
    /// Names of the files of the definition, by what they are: `domain`, `variables` (UEFI), `tpm`,
    /// `kernel`, `initrd`.
    public var files: [String: String]
    /// Such as `Debian GNU/Linux 12`; `nil` where no agent told.
    public var guestSystem: String?

    public init(
        name: String, uuid: String?, platform: String, architecture: String, processors: Int,
        memory: UInt64, firmware: Firmware, disks: [Disk], interfaces: [Interface]
    ) {
        version = 1
        self.name = name
        self.uuid = uuid
        self.platform = platform
        self.architecture = architecture
        self.processors = processors
        self.memory = memory
        self.firmware = firmware
        hasSecureBoot = false
        hasTPM = false
        self.disks = disks
        self.interfaces = interfaces
        files = [:]
        guestSystem = nil
    }
}
