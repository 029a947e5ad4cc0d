public import LifeboatCore

/// What a host has for the machines that are brought to it.
public struct HostOffer: Sendable, Equatable {
    /// What it offers for guests of one architecture.
    public struct Architecture: Sendable, Equatable {
        public var emulator: String?
        /// `kvm`, `qemu`.
        public var domainTypes: Set<String>
        /// All names, aliases included, with the names that they stand for.
        public var machines: [String: String]

        public init(emulator: String?, domainTypes: Set<String>, machines: [String: String]) {
            self.emulator = emulator
            self.domainTypes = domainTypes
            self.machines = machines
        }
    }

    public var architectures: [String: Architecture]
    /// How many processors it has; 0 where that is not known.
    public var processors: Int
    /// Names of its memory nodes.
    public var nodes: Set<Int>
    /// Its networks by name, and whether they are active.
    public var networks: [String: Bool]
    /// UEFI firmware images.
    public var loaders: [String]

    public init(
        architectures: [String: Architecture] = [:], processors: Int = 0, nodes: Set<Int> = [0],
        networks: [String: Bool] = [:], loaders: [String] = []
    ) {
        self.architectures = architectures
        self.processors = processors
        self.nodes = nodes
        self.networks = networks
        self.loaders = loaders
    }

    /// Reads libvirt's capabilities.
    ///
    /// - Throws: `.damaged` where the text is none.
    public init(capabilities text: String) throws(LifeboatError) {
        self.init()
        guard let tree = XMLTree.parse(text), tree.name == "capabilities" else {
            throw LifeboatError(.damaged, "what libvirt says of its host is no XML")
        }
        for guest in tree.all("guest") where guest["os_type"]?.text == "hvm" {
            guard let element = guest["arch"], let name = element.attribute("name") else {
                continue
            }
            var architecture = Architecture(
                emulator: element["emulator"]?.text, domainTypes: [], machines: [:])
            let domains = element.all("domain")
            for machine in element.all("machine") + domains.flatMap({ $0.all("machine") }) {
                architecture.machines[machine.text] =
                    machine.attribute("canonical") ?? machine.text
                if let canonical = machine.attribute("canonical") {
                    architecture.machines[canonical] = canonical
                }
            }
            architecture.domainTypes = Set(domains.compactMap { $0.attribute("type") })
            architectures[name] = architecture
        }
        let cells = tree["host"]?["topology"]?["cells"]?.all("cell") ?? []
        nodes = Set(cells.compactMap { $0.attribute("id").flatMap { Int($0) } })
        if nodes.isEmpty { nodes = [0] }
        processors = cells.reduce(0) { $0 + ($1["cpus"]?.all("cpu").count ?? 0) }
    }

    /// The UEFI images that libvirt's domain capabilities name.
    public static func loaders(domainCapabilities text: String) -> [String] {
        XMLTree.parse(text)?["os"]?["loader"]?.all("value").map(\.text) ?? []
    }

    /// The machine type to use for one that a host had: itself where it is there, otherwise the
    /// newest of its family.
    func machine(for wanted: String, _ architecture: Architecture) -> String? {
        if let found = architecture.machines[wanted] {
            // An alias may stand for something else here than where the machine came from.
            return architecture.machines.values.contains(wanted) ? wanted : found
        }
        for (family, alias) in [("pc-i440fx-", "pc"), ("pc-q35-", "q35"), ("pc-", "pc")]
        where wanted.hasPrefix(family) || wanted == alias {
            if let canonical = architecture.machines[alias] { return canonical }
        }
        let family = wanted.prefix { !$0.isNumber }
        return architecture.machines.values.filter { $0.hasPrefix(family) && !family.isEmpty }.max()
    }
}
