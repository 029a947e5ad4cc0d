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

    static let domainFile = "libvirt/domain.xml"
    static let variablesFile = "libvirt/variables"
    static let tpmFile = "libvirt/tpm"
    private static let variablesLimit = 128 << 20
    private static let bootFileLimit = 512 << 20

    func capture() throws(LifeboatError) -> MachineDefinition {
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
        func add(_ key: String, _ name: String, _ path: String?, _ limit: Int)
            throws(LifeboatError)
        {
            guard let path, !path.isEmpty, Files.exists(path) else { return }
            files[name] = try Files.readWhole(path, limit: limit)
            description.files[key] = name
        }
        // The running domain's definition names the file that libvirt chose by itself.
        try add(
            "variables", Self.variablesFile, lasting.variables ?? xml.variables,
            Self.variablesLimit)
        try add("kernel", "libvirt/kernel", lasting.kernel, Self.bootFileLimit)
        try add("initrd", "libvirt/initrd", lasting.initrd, Self.bootFileLimit)
        if lasting.hasTPM, let state = tpmState() {
            files[Self.tpmFile] = state
            description.files["tpm"] = Self.tpmFile
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
        return MachineDefinition(description: description, files: files)
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
        guard Files.isDirectory(folder) else { return nil }
        var launch = ChildProcess.Launch([
            "tar", "--create", "--sort=name", "--directory", folder, ".",
        ])
        launch.outputLimit = 16 << 20
        guard let result = try? ChildProcess.run(launch, timeoutSeconds: 30), result.isSuccess
        else { return nil }
        return result.output
    }
}
