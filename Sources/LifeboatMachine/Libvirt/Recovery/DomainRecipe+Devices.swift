extension DomainRecipe {
    /// Whether the disk stays.
    func adaptDisk(_ disk: inout XMLElementValue, _ findings: inout Findings) -> Bool {
        let target = disk["target"]?.attributes["dev"] ?? ""
        let kind = disk.attributes["device"] ?? "disk"
        if let image = images[target] {
            replace(&disk, image, &findings)
            return true
        }
        if droppedDisks.contains(target) {
            findings.warnings.append("disk \(target) is left out")
            return false
        }
        if kind == "cdrom" || kind == "floppy" {
            disk.remove("backingStore", "mirror")
            let source = disk["source"]
            let path = source?.attributes["file"] ?? source?.attributes["dev"]
            if source == nil || path.map(fileExists) == true { return true }
            disk.remove("source", "auth", "encryption")
            disk.attributes["type"] = "file"
            findings.warnings.append(
                "the medium in \(target), \(path ?? "which is not a file"), is not here; ejected")
            return true
        }
        findings.obstacles.append(
            "disk \(target) is not in the point: to go without it, name the others with --disk")
        return false
    }

    private func replace(
        _ disk: inout XMLElementValue, _ image: Image, _ findings: inout Findings
    ) {
        let target = disk["target"]?.attributes["dev"] ?? ""
        if disk["encryption"] != nil || disk["source"]?["encryption"] != nil {
            findings.warnings.append(
                "disk \(target) was encrypted by its host; its new image is not")
        }
        if disk.attributes["device"] == "lun" {
            findings.warnings.append("disk \(target) was a whole SCSI device; it is a disk now")
            disk.attributes["device"] = "disk"
            disk.attributes["sgio"] = nil
            disk.attributes["rawio"] = nil
        }
        disk.remove("source", "backingStore", "mirror", "auth", "encryption", "reservations")
        disk.attributes["type"] = "file"
        var driver = disk["driver"] ?? XMLElementValue("driver")
        driver.attributes["name"] = "qemu"
        driver.attributes["type"] = image.format
        driver.children = []
        // Native input and output needs a cache mode that bypasses the host's.
        if driver.attributes["io"] == "native",
            !["none", "directsync"].contains(driver.attributes["cache"] ?? "")
        {
            driver.attributes["io"] = nil
        }
        var added = [XMLElementValue("source", ["file": image.path])]
        if let backing = image.backing {
            // The guest must not see that what serves its disk was gone for a while.
            driver.attributes["error_policy"] = "stop"
            driver.attributes["rerror_policy"] = "stop"
            added.append(
                XMLElementValue(
                    "backingStore", ["type": "network"],
                    [
                        XMLElementValue("format", ["type": "raw"]),
                        XMLElementValue(
                            "source", ["protocol": "nbd", "name": backing.export],
                            [
                                XMLElementValue(
                                    "host", ["transport": "unix", "socket": backing.socket])
                            ]),
                        XMLElementValue("backingStore"),
                    ]))
        }
        disk["driver"] = driver
        disk.children.insert(contentsOf: added, at: 0)
    }

    /// Whether the interface stays.
    func adaptInterface(_ interface: inout XMLElementValue, _ findings: inout Findings) -> Bool {
        let kind = interface.attributes["type"] ?? "network"
        let source = interface["source"]
        let mac = interface["mac"]?.attributes["address"] ?? ""
        let old =
            source?.attributes["network"] ?? source?.attributes["bridge"]
            ?? source?.attributes["dev"]
        // Names that the host gave.
        interface.remove("target", "actual", "guest")
        interface["source"]?.attributes["portid"] = nil
        interface["source"]?.attributes["connectionid"] = nil
        if case .new(let seed) = addresses {
            interface["mac"] = XMLElementValue("mac", ["address": Self.newAddress(mac, seed)])
        }
        let new = old.flatMap { networks[$0] } ?? (old == nil ? nil : networks["*"])
        if let new {
            if new != old || kind != "network" { connect(&interface, to: new, &findings) }
            switch host.networks[new] {
            case true: break
            case false: findings.obstacles.append("network \(new) is not active: start it")
            default: findings.obstacles.append("this host has no network \(new)")
            }
            return true
        }
        switch kind {
        case "user", "null": return true
        case "network":
            let name = old ?? ""
            switch host.networks[name] {
            case true: break
            case false: findings.obstacles.append("network \(name) is not active: start it")
            default:
                findings.obstacles.append(
                    "this host has no network \(name): say what stands for it with --network "
                        + "\(name)=NEW")
            }
        case "bridge", "direct":
            let name = old ?? ""
            if !fileExists("/sys/class/net/" + name) {
                findings.obstacles.append(
                    "this host has no \(kind == "bridge" ? "bridge" : "interface") \(name): say "
                        + "what stands for it with --network \(name)=NEW")
            }
        case "hostdev":
            findings.warnings.append("interface \(mac) is a device of its old host; left out")
            return false
        default:
            findings.obstacles.append(
                "interface \(mac) is connected by \(kind)"
                    + (old.map { ": say what stands for it with --network \($0)=NEW" } ?? ""))
        }
        return true
    }

    private func connect(
        _ interface: inout XMLElementValue, to network: String, _ findings: inout Findings
    ) {
        let mac = interface["mac"]?.attributes["address"] ?? ""
        interface.attributes = ["type": "network"]
        interface["source"] = XMLElementValue("source", ["network": network])
        for name in ["filterref", "vlan", "virtualport"] where interface[name] != nil {
            interface[name] = nil
            if name != "virtualport" {
                findings.warnings.append(
                    "interface \(mac) had a \(name == "vlan" ? "VLAN tag" : "filter"), which "
                        + "belongs to its old network; left out")
            }
        }
        interface.remove("backend", "ip", "route")
    }

    /// A locally administered address in QEMU's range that follows from the old one and the seed.
    static func newAddress(_ old: String, _ seed: UInt64) -> String {
        var state = seed
        for byte in old.lowercased().utf8 {
            state = (state ^ UInt64(byte)) &* 0x100_0000_01B3
        }
        // The finishing steps of SplitMix64.
        state = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
        state = (state ^ (state >> 27)) &* 0x94D0_49BB_1331_11EB
        state ^= state >> 31
        let tail = (0..<3).map { index in
            let byte = UInt8(truncatingIfNeeded: state >> UInt64(index * 8))
            let text = String(byte, radix: 16)
            return text.count < 2 ? "0" + text : text
        }
        return "52:54:00:" + tail.joined(separator: ":")
    }

    /// Whether any other device stays.
    func adaptOther(_ device: inout XMLElementValue, _ findings: inout Findings) -> Bool {
        switch device.name {
        case "serial", "console", "parallel":
            adaptTerminal(&device, &findings)
        case "channel":
            // libvirt makes sockets of its own.
            if device.attributes["type"] == "unix" { device.remove("source") }
            device["target"]?.attributes["state"] = nil
            device.remove("log")
        case "graphics": adaptGraphics(&device, &findings)
        case "hostdev":
            findings.warnings.append("a device of its old host that was passed through is left out")
            return false
        case "tpm":
            let backend = device["backend"]?.attributes["type"]
            if backend == "passthrough" {
                findings.warnings.append("the TPM of its old host is left out")
                return false
            }
            if backend == "emulator", !files.hasTPM {
                findings.warnings.append(
                    "the point has no state of its TPM; it starts with an empty one, and what was "
                        + "sealed to the old one stays closed")
            }
        case "filesystem":
            let path = device["source"]?.attributes["dir"] ?? device["source"]?.attributes["file"]
            if let path, !fileExists(path) {
                findings.warnings.append("shared folder \(path) is not here; left out")
                return false
            }
        case "input":
            if let type = device.attributes["type"], ["passthrough", "evdev"].contains(type) {
                findings.warnings.append("an input device of its old host is left out")
                return false
            }
        case "smartcard":
            if let mode = device.attributes["mode"], mode != "passthrough" {
                findings.warnings.append("the smart card of its old host is left out")
                return false
            }
        case "memory":
            if let path = device["source"]?["path"]?.text, !fileExists(path) {
                findings.warnings.append("memory device \(path) is not here; left out")
                return false
            }
        case "vsock":
            // Numbers are given out by the host.
            device["cid"] = XMLElementValue("cid", ["auto": "yes"])
        case "rng":
            if let backend = device["backend"], backend.attributes["model"] == "random",
                !backend.text.isEmpty, !fileExists(backend.text)
            {
                device["backend"]?.text = "/dev/urandom"
            }
        default: break
        }
        return true
    }

    private func adaptTerminal(_ device: inout XMLElementValue, _ findings: inout Findings) {
        device.attributes["tty"] = nil
        device.remove("log")
        switch device.attributes["type"] ?? "pty" {
        case "pty": device.remove("source", "protocol")
        case "file", "dev", "pipe", "unix", "tcp", "udp":
            let path = device["source"]?.attributes["path"]
            device.remove("source", "protocol")
            device.attributes["type"] = "pty"
            // A console that mirrors a serial port would tell the same again.
            if device.name != "console" {
                findings.warnings.append(
                    "its \(device.name) port went to \(path ?? "its old host"); it is a terminal now"
                )
            }
        default: break
        }
    }

    private func adaptGraphics(_ device: inout XMLElementValue, _ findings: inout Findings) {
        guard device.attributes["type"] == "vnc" || device.attributes["type"] == "spice" else {
            return
        }
        device.attributes["port"] = nil
        device.attributes["tlsPort"] = nil
        device.attributes["websocket"] = nil
        device.attributes["socket"] = nil
        device.attributes["autoport"] = "yes"
        let anywhere: Set = ["127.0.0.1", "::1", "localhost", "0.0.0.0", "::"]
        let address = device.attributes["listen"] ?? device["listen"]?.attributes["address"]
        let isAddress = device["listen"].map { $0.attributes["type"] == "address" } ?? true
        if isAddress, address.map({ anywhere.contains($0) }) ?? true { return }
        device.attributes["listen"] = "127.0.0.1"
        device.remove("listen")
        findings.warnings.append("its screen is shown on 127.0.0.1 only")
    }
}
