internal import LifeboatCore
internal import LifeboatSystem

/// Collects all that is needed to make a domain anew.
struct DefinitionCapture {
    let domain: LibvirtDomain
    /// As it is now.
    let xml: DomainXML
    let isActive: Bool
    /// The disks that the point has a volume of.
    let volumes: Set<String>
    /// Where its files are.
    let address: HypervisorAddress

    static let domainFile = "libvirt/domain.xml"
    static let variablesFile = "libvirt/variables"
    static let tpmFile = "libvirt/tpm"
    private static let variablesLimit = 128 << 20
    private static let bootFileLimit = 512 << 20

    /// The definition, and the files that it should have but that cannot be read from here.
    func capture() throws(LifeboatError) -> (definition: MachineDefinition, unread: [String]) {
        let isPersistent = try domain.isPersistent()
        let flags: LibvirtDomain.XMLFlags = isPersistent ? [.secure, .inactive] : [.secure]
        let text = try domain.xml(flags)
        let lasting = try DomainXML(parsing: text, subject: domain.name)
        let resources = try domain.resources()
        var description = MachineDescription(
            name: domain.name, uuid: domain.uuid, platform: "libvirt",
            architecture: lasting.architecture, processors: resources.processors,
            memory: resources.memory, firmware: lasting.isUEFI ? .uefi : .bios,
            disks: lasting.disks.map { disk($0) }, interfaces: interfaces(lasting))
        description.hasSecureBoot = lasting.hasSecureBoot
        description.hasTPM = lasting.hasTPM
        description.guestSystem = guestSystem()
        var files = [Self.domainFile: Array(text.utf8)]
        description.files["domain"] = Self.domainFile
        var unread: [String] = []
        func add(_ key: String, _ name: String, _ path: String?, _ limit: Int)
            throws(LifeboatError)
        {
            guard let path, !path.isEmpty else { return }
            guard let bytes = try read(path, limit: limit) else {
                if !address.isLocal { unread.append(path) }
                return
            }
            files[name] = bytes
            description.files[key] = name
        }
        // The running domain's definition names the file that libvirt chose by itself.
        try add(
            "variables", Self.variablesFile, lasting.variables ?? xml.variables,
            Self.variablesLimit)
        try add("kernel", "libvirt/kernel", lasting.kernel, Self.bootFileLimit)
        try add("initrd", "libvirt/initrd", lasting.initrd, Self.bootFileLimit)
        if lasting.hasTPM {
            if let state = tpmState() {
                files[Self.tpmFile] = state
                description.files["tpm"] = Self.tpmFile
            } else if !address.isLocal {
                unread.append("the TPM's state")
            }
        }
        var networks: [String] = []
        for interface in lasting.interfaces where interface.kind == "network" {
            if let name = interface.source, !networks.contains(name) { networks.append(name) }
        }
        for (index, network) in networks.enumerated() {
            if let text = try? domain.connection.networkXML(name: network) {
                files["libvirt/network/\(index + 1).xml"] = Array(text.utf8)
            }
        }
        return (MachineDefinition(description: description, files: files), unread)
    }

    /// A file of the hypervisor's host; `nil` where there is none, or no way to it.
    private func read(_ path: String, limit: Int) throws(LifeboatError) -> [UInt8]? {
        switch address.way {
        case .local: Files.exists(path) ? try Files.readWhole(path, limit: limit) : nil
        case .secureShell(let shell): shell.read(path, limit: limit)
        case .network: nil
        }
    }

    private func disk(_ disk: DomainXML.Disk) -> MachineDescription.Disk {
        let size = disk.source == nil ? 0 : (try? domain.blockInformation(disk.target))?.capacity
        return MachineDescription.Disk(
            name: disk.target, volume: volumes.contains(disk.target) ? disk.target : nil,
            size: size ?? 0, bus: disk.bus, format: disk.format, serial: disk.serial,
            isReadOnly: disk.isReadOnly || disk.device == "cdrom", bootOrder: disk.bootOrder)
    }

    private func interfaces(_ xml: DomainXML) -> [MachineDescription.Interface] {
        var known: [LibvirtDomain.InterfaceAddresses] = []
        if isActive {
            if xml.hasAgentChannel {
                known = (try? domain.interfaceAddresses(.agent, timeoutSeconds: 5)) ?? []
            }
            if known.isEmpty { known = (try? domain.interfaceAddresses(.leases)) ?? [] }
        }
        return xml.interfaces.map { interface in
            MachineDescription.Interface(
                mac: interface.mac, network: interface.source, kind: interface.kind,
                model: interface.model,
                addresses: known.filter { $0.mac == interface.mac }.flatMap(\.addresses),
                bootOrder: interface.bootOrder)
        }
    }

    private func guestSystem() -> String? {
        guard isActive, xml.hasAgentChannel else { return nil }
        let quiescer = LibvirtQuiescer(domain: domain, socket: nil)
        let name = (try? quiescer.system(timeoutSeconds: 5))?.name ?? ""
        return name.isEmpty ? nil : name
    }

    /// The folder in which libvirt lets swtpm keep its state, packed.
    private func tpmState() -> [UInt8]? {
        let folder = "/var/lib/libvirt/swtpm/\(domain.uuid)"
        let command = ["tar", "--create", "--sort=name", "--directory", folder, "."]
        let limit = 16 << 20
        let result: ChildProcess.Result?
        switch address.way {
        case .local:
            guard Files.isDirectory(folder) else { return nil }
            var launch = ChildProcess.Launch(command)
            launch.outputLimit = limit
            result = try? ChildProcess.run(launch, timeoutSeconds: 30)
        case .secureShell(let shell):
            result = try? shell.run(command, outputLimit: limit, timeoutSeconds: 30)
        case .network: result = nil
        }
        guard let result, result.isSuccess else { return nil }
        return result.output
    }
}
