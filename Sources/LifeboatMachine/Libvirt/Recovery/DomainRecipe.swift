public import LifeboatCore

/// What becomes of a captured libvirt domain on the host that it is brought to.
///
/// Pure: the same recipe makes the same definition of the same domain.
public struct DomainRecipe: Sendable {
    /// What a disk of the new domain consists of.
    public struct Image: Sendable, Equatable {
        /// A file's path.
        public var path: String
        /// `qcow2` or `raw`.
        public var format: String
        /// Where what the file does not hold yet comes from.
        public var backing: Backing?

        public init(path: String, format: String, backing: Backing? = nil) {
            self.path = path
            self.format = format
            self.backing = backing
        }
    }

    /// A raw export of an NBD server at a UNIX socket.
    public struct Backing: Sendable, Equatable {
        public var socket: String
        public var export: String

        public init(socket: String, export: String) {
            self.socket = socket
            self.export = export
        }
    }

    /// What the network interfaces are called.
    public enum Addresses: Sendable, Equatable {
        case keep
        /// New ones; the same seed gives the same ones.
        case new(seed: UInt64)
    }

    /// Files of the definition, where they have been put.
    public struct Files: Sendable, Equatable {
        public var variables: String?
        public var kernel: String?
        public var initrd: String?
        /// Whether the TPM's state is where libvirt looks for it.
        public var hasTPM = false

        public init() {}
    }

    public var name: String
    public var uuid: String
    /// By target device, such as `vda`.
    public var images: [String: Image]
    /// Disks that the new machine does without, by target device.
    public var droppedDisks: Set<String> = []
    /// What networks, bridges and devices of the old host become; `*` stands for all others.
    public var networks: [String: String] = [:]
    public var addresses = Addresses.keep
    public var files = Files()
    public var host: HostOffer
    /// Whether a file of the host is there.
    public var fileExists: @Sendable (String) -> Bool

    public init(
        name: String, uuid: String, images: [String: Image], host: HostOffer,
        fileExists: @escaping @Sendable (String) -> Bool
    ) {
        self.name = name
        self.uuid = uuid
        self.images = images
        self.host = host
        self.fileExists = fileExists
    }

    /// The new definition.
    public struct Outcome: Sendable, Equatable {
        public var xml: String
        /// What is otherwise than it was.
        public var warnings: [String] = []
        /// Why the machine cannot be made; empty where it can.
        public var obstacles: [String] = []
    }

    /// What the steps of a recipe add up.
    struct Findings {
        var warnings: [String] = []
        var obstacles: [String] = []
    }

    /// - Throws: `.damaged` where `xml` is no domain.
    public func apply(to xml: String) throws(LifeboatError) -> Outcome {
        guard let tree = XMLTree.parse(xml), tree.name == "domain" else {
            throw LifeboatError(.damaged, "the definition of \(name) is no libvirt domain")
        }
        var domain = XMLElementValue(tree)
        var findings = Findings()
        domain.attributes["id"] = nil
        domain["name"] = XMLElementValue("name", text: name)
        domain["uuid"] = XMLElementValue("uuid", text: uuid)
        // Whoever looks at it must notice that the machine went back in time.
        if domain["genid"] != nil { domain["genid"] = XMLElementValue("genid") }
        domain.remove("resource", "seclabel")
        domain.forEachBelow { element in
            element.children.removeAll {
                $0.name == "seclabel"
                    || ($0.name == "alias"
                        && $0.attributes["name"]?.hasPrefix("ua-") != true)
            }
        }
        adaptPlatform(&domain, &findings)
        adaptProcessors(&domain, &findings)
        adaptBoot(&domain, &findings)
        if var devices = domain["devices"] {
            adaptDevices(&devices, &findings)
            domain["devices"] = devices
        }
        if domain["qemu:commandline"] != nil {
            findings.warnings.append(
                "it has arguments for QEMU of its own, which are taken over unchanged")
        }
        return Outcome(
            xml: domain.serialized(), warnings: findings.warnings, obstacles: findings.obstacles)
    }

    private func adaptDevices(_ devices: inout XMLElementValue, _ findings: inout Findings) {
        let old = devices.children
        devices.children = []
        for device in old {
            var device = device
            let stays =
                switch device.name {
                case "emulator": true
                case "disk": adaptDisk(&device, &findings)
                case "interface": adaptInterface(&device, &findings)
                default: adaptOther(&device, &findings)
                }
            if stays { devices.children.append(device) }
        }
        let present = Set(devices.all("disk").compactMap { $0["target"]?.attributes["dev"] })
        for target in images.keys.sorted() where !present.contains(target) {
            findings.obstacles.append("the definition has no disk \(target)")
        }
    }
}
