extension DomainRecipe {
    /// Emulator, machine type, and what they are run by.
    func adaptPlatform(_ domain: inout XMLElementValue, _ findings: inout Findings) {
        guard var system = domain["os"], var type = system["type"] else {
            findings.obstacles.append("the definition does not say what kind of machine it is")
            return
        }
        let name = type.attributes["arch"] ?? "x86_64"
        guard let architecture = host.architectures[name] else {
            findings.obstacles.append("this host has no emulator for \(name)")
            return
        }
        let emulator = domain["devices"]?["emulator"]?.text
        if emulator.map({ !fileExists($0) }) ?? true, var devices = domain["devices"] {
            devices["emulator"] = architecture.emulator.map {
                XMLElementValue("emulator", text: $0)
            }
            domain["devices"] = devices
            if let emulator, let own = architecture.emulator {
                findings.warnings.append("emulator \(emulator) is not here; it is \(own) now")
            }
        }
        if let wanted = type.attributes["machine"] {
            if let found = host.machine(for: wanted, architecture) {
                if found != wanted, architecture.machines[wanted] == nil {
                    findings.warnings.append(
                        "machine type \(wanted) is not here; it is \(found) now")
                }
                type.attributes["machine"] = found
            } else {
                findings.obstacles.append("this host has nothing like machine type \(wanted)")
            }
        }
        system["type"] = type
        domain["os"] = system
        guard let run = domain.attributes["type"], !architecture.domainTypes.isEmpty,
            !architecture.domainTypes.contains(run)
        else { return }
        guard run == "kvm" || run == "qemu", architecture.domainTypes.contains("qemu") else {
            findings.obstacles.append("this host does not run machines of type \(run)")
            return
        }
        domain.attributes["type"] = "qemu"
        domain["cpu"] = XMLElementValue("cpu", ["mode": "maximum"])
        findings.warnings.append(
            "this host has no KVM; the machine is emulated, which is many times slower")
    }

    /// Pinning to processors and memory nodes that this host does not have is dropped.
    func adaptProcessors(_ domain: inout XMLElementValue, _ findings: inout Findings) {
        var dropped = false
        func fits(_ text: String?, _ allowed: (Int) -> Bool) -> Bool {
            guard let text else { return true }
            guard let set = CPUSet(text) else { return false }
            return set.members.allSatisfy(allowed)
        }
        let hasProcessor: (Int) -> Bool = { host.processors == 0 || $0 < host.processors }
        if var processors = domain["vcpu"], !fits(processors.attributes["cpuset"], hasProcessor) {
            processors.attributes["cpuset"] = nil
            domain["vcpu"] = processors
            dropped = true
        }
        if var tuning = domain["cputune"] {
            let before = tuning.children.count
            tuning.children.removeAll {
                ["vcpupin", "emulatorpin", "iothreadpin"].contains($0.name)
                    && !fits($0.attributes["cpuset"], hasProcessor)
            }
            // These need control of the host's cache and memory bandwidth.
            tuning.remove("cachetune", "memorytune")
            dropped = dropped || tuning.children.count < before
            domain["cputune"] = tuning.children.isEmpty ? nil : tuning
        }
        if let nodes = domain["numatune"] {
            let all = [nodes] + nodes.children
            if !all.allSatisfy({ fits($0.attributes["nodeset"]) { host.nodes.contains($0) } }) {
                domain["numatune"] = nil
                dropped = true
            }
        }
        if dropped {
            findings.warnings.append(
                "it was bound to processors or memory nodes that are not here; it is no more")
        }
    }

    /// Firmware, its variables, kernel and initial file system.
    func adaptBoot(_ domain: inout XMLElementValue, _ findings: inout Findings) {
        guard var system = domain["os"] else { return }
        for (name, restored) in [("kernel", files.kernel), ("initrd", files.initrd)] {
            guard let old = system[name]?.text else { continue }
            if let restored {
                system[name] = XMLElementValue(name, text: restored)
            } else if !fileExists(old) {
                findings.obstacles.append("\(name) \(old) is neither here nor in the point")
            }
        }
        if let tree = system["dtb"]?.text, !fileExists(tree) {
            findings.obstacles.append("device tree \(tree) is not here")
        }
        let isUEFI =
            system.attributes["firmware"] == "efi" || system["nvram"] != nil
            || system["loader"]?.attributes["type"] == "pflash"
        guard isUEFI else {
            domain["os"] = system
            return
        }
        if var loader = system["loader"], !loader.text.isEmpty, !fileExists(loader.text) {
            let wantsSecure = loader.attributes["secure"] == "yes"
            let found = host.loaders.first { $0.contains(wantsSecure ? "secboot" : "CODE") }
            if let found {
                findings.warnings.append("firmware \(loader.text) is not here; it is \(found) now")
                loader.text = found
                system["loader"] = loader
            } else {
                findings.obstacles.append(
                    "firmware \(loader.text) is not here, and nothing like it: install OVMF")
            }
        }
        if let variables = files.variables {
            var attributes = system["nvram"]?.attributes ?? [:]
            // The file is there; nothing is to be made from a template.
            attributes["template"] = nil
            attributes["type"] = nil
            system["nvram"] = XMLElementValue("nvram", attributes, text: variables)
        } else if var variables = system["nvram"] {
            variables.text = ""
            variables.children = []
            variables.attributes["type"] = nil
            system["nvram"] = variables.attributes.isEmpty ? nil : variables
            findings.warnings.append(
                "the point has no UEFI variables of it; it starts with the firmware's own")
        }
        domain["os"] = system
    }
}

/// A set of processors or nodes as libvirt writes it, such as `0-3,^2,8`.
struct CPUSet: Equatable {
    var members: Set<Int> = []

    private static let limit = 1 << 16

    init?(_ text: String) {
        var excluded: Set<Int> = []
        for part in text.split(separator: ",") {
            let word = part.trimmingPrefix(" ")
            if word.hasPrefix("^") {
                guard let number = Int(word.dropFirst()) else { return nil }
                excluded.insert(number)
                continue
            }
            let ends = word.split(separator: "-").map { Int($0) }
            guard let first = ends.first ?? nil, let last = ends.last ?? nil, first <= last,
                last < Self.limit, ends.count <= 2
            else { return nil }
            members.formUnion(first...last)
        }
        members.subtract(excluded)
    }
}
