public import LifeboatCore

/// A domain's definition as libvirt writes it.
public struct DomainXML: Sendable, Hashable {
    /// A disk or drive.
    public struct Disk: Sendable, Hashable {
        /// Such as `vda`.
        public var target: String
        /// `disk`, `cdrom`, `floppy`, `lun`.
        public var device: String
        public var bus: String
        /// `file`, `block`, `network`, `volume`, ...; where its bytes are.
        public var kind: String
        /// `qcow2`, `raw`, ...
        public var format: String
        /// The file or device; the name of a network disk; `nil` for an empty drive.
        public var source: String?
        /// libvirt's number of the topmost image while it runs.
        public var index: Int?
        public var serial: String?
        public var bootOrder: Int?
        public var isReadOnly: Bool
        public var isShareable: Bool
        /// Thrown away when the domain stops.
        public var isTransient: Bool
        /// What QEMU does when a write fails; `nil` for its own choice, which is to pause where the
        /// reason is that there is no room.
        public var errorPolicy: String?
        /// The data file of a metadata overlay.
        public var dataFile: String?
        /// Files or names of the backing images, topmost first.
        public var backing: [String]
    }

    /// A network interface.
    public struct Interface: Sendable, Hashable {
        public var mac: String
        /// `network`, `bridge`, `direct`, `user`, ...
        public var kind: String
        /// The network, bridge or device that it is connected to.
        public var source: String?
        public var model: String?
        public var bootOrder: Int?
    }

    /// Numbers of a user and a group of the host.
    public struct Owner: Sendable, Hashable {
        public var user: UInt32
        public var group: UInt32
    }

    public var name: String
    public var uuid: String?
    /// Whom its QEMU runs as; `nil` where it does not say.
    public var owner: Owner?
    public var architecture: String
    public var processors: Int
    /// Bytes.
    public var memory: UInt64
    public var isUEFI: Bool
    public var hasSecureBoot: Bool
    public var hasTPM: Bool
    /// The UEFI variable store.
    public var variables: String?
    public var kernel: String?
    public var initrd: String?
    /// The agent's socket while it runs; `nil` without a channel or when shut off.
    public var agentSocket: String?
    public var hasAgentChannel: Bool
    /// What libvirt says of it: `connected` or `disconnected`.
    public var agentState: String?
    public var disks: [Disk]
    public var interfaces: [Interface]

    /// - Throws: `.damaged` where it is no domain's definition.
    public init(parsing text: String, subject: String) throws(LifeboatError) {
        guard let root = XMLTree.parse(text), root.name == "domain", let name = root["name"]?.text
        else {
            throw LifeboatError(
                .damaged, "the definition of \(subject) is not that of a domain", subject: subject)
        }
        self.name = name
        uuid = root["uuid"]?.text
        let system = root["os"]
        architecture = system?["type"]?.attribute("arch") ?? "x86_64"
        processors = root["vcpu"].flatMap { Int($0.text) } ?? 1
        memory = root["memory"].map(Self.bytes) ?? 0
        let loader = system?["loader"]
        isUEFI = system?.attribute("firmware") == "efi" || loader?.attribute("type") == "pflash"
        hasSecureBoot =
            loader?.attribute("secure") == "yes"
            || system?["firmware"]?.all("feature").contains {
                $0.attribute("name") == "secure-boot" && $0.attribute("enabled") == "yes"
            } == true
        variables = system?["nvram"].flatMap {
            $0["source"]?.attribute("file") ?? ($0.text.isEmpty ? nil : $0.text)
        }
        kernel = system?["kernel"]?.text
        initrd = system?["initrd"]?.text
        owner = root.all("seclabel").first { $0.attribute("model") == "dac" }
            .flatMap { $0["label"]?.text }.flatMap(Self.owner)
        let devices = root["devices"]
        hasTPM = devices?["tpm"] != nil
        let channel = devices?.all("channel").first {
            $0["target"]?.attribute("name") == "org.qemu.guest_agent.0"
        }
        hasAgentChannel = channel != nil
        agentSocket = channel?["source"]?.attribute("path")
        agentState = channel?["target"]?.attribute("state")
        disks = (devices?.all("disk") ?? []).map(Self.disk)
        interfaces = (devices?.all("interface") ?? []).map(Self.interface)
    }

    private static func disk(_ node: XMLTree) -> Disk {
        let source = node["source"]
        var backing: [String] = []
        var next = node["backingStore"]
        while let current = next, backing.count < 64 {
            if let place = current["source"].flatMap({ Self.place($0) }) { backing.append(place) }
            next = current["backingStore"]
        }
        return Disk(
            target: node["target"]?.attribute("dev") ?? "",
            device: node.attribute("device") ?? "disk",
            bus: node["target"]?.attribute("bus") ?? "", kind: node.attribute("type") ?? "file",
            format: node["driver"]?.attribute("type") ?? "raw", source: source.flatMap(Self.place),
            index: source?.attribute("index").flatMap { Int($0) }, serial: node["serial"]?.text,
            bootOrder: node["boot"]?.attribute("order").flatMap { Int($0) },
            isReadOnly: node["readonly"] != nil, isShareable: node["shareable"] != nil,
            isTransient: node["transient"] != nil,
            errorPolicy: node["driver"]?.attribute("error_policy"),
            dataFile: source?["dataStore"]?["source"].flatMap(Self.place), backing: backing)
    }

    /// Of a label such as `+64055:+64055`.
    private static func owner(_ label: String) -> Owner? {
        let parts = label.split(separator: ":").map { UInt32($0.drop { $0 == "+" }) }
        guard parts.count == 2, let user = parts[0], let group = parts[1] else { return nil }
        return Owner(user: user, group: group)
    }

    private static func place(_ source: XMLTree) -> String? {
        if let pool = source.attribute("pool"), let volume = source.attribute("volume") {
            return "\(pool)/\(volume)"
        }
        return ["file", "dev", "name", "dir", "path"].lazy.compactMap { source.attribute($0) }.first
    }

    private static func interface(_ node: XMLTree) -> Interface {
        let source = node["source"]
        return Interface(
            mac: (node["mac"]?.attribute("address") ?? "").lowercased(),
            kind: node.attribute("type") ?? "network",
            source: ["network", "bridge", "dev", "path"].lazy
                .compactMap { source?.attribute($0) }.first,
            model: node["model"]?.attribute("type"),
            bootOrder: node["boot"]?.attribute("order").flatMap { Int($0) })
    }

    /// A size with a unit; libvirt itself always writes KiB.
    private static func bytes(_ node: XMLTree) -> UInt64 {
        let units: [String: UInt64] = [
            "b": 1, "bytes": 1, "KB": 1000, "k": 1 << 10, "KiB": 1 << 10, "MB": 1_000_000,
            "M": 1 << 20, "MiB": 1 << 20, "GB": 1_000_000_000, "G": 1 << 30, "GiB": 1 << 30,
            "T": 1 << 40, "TiB": 1 << 40,
        ]
        let (bytes, overflow) = (UInt64(node.text) ?? 0).multipliedReportingOverflow(
            by: units[node.attribute("unit") ?? "KiB"] ?? 1024)
        return overflow ? 0 : bytes
    }
}
