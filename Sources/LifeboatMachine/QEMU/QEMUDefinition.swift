import LifeboatCore
import LifeboatSystem

/// What QEMU and the system tell of a machine.
struct QEMUDefinition {
    let client: QMPClient
    let name: String

    /// The file with QEMU's own arguments.
    static let commandLineFile = "qemu/command-line.json"

    /// `saved`: the names of the disks whose bytes are in the point.
    func read(saved: Set<String>) throws(LifeboatError) -> MachineDefinition {
        let memory = ask("query-memory-size-summary")
        let processors = try client.call("query-cpus-fast").list?.count ?? 1
        let uuid = ask("query-uuid")["UUID"]?.text
        let arguments = commandLine()
        let disks = QEMUDisk.find(
            blocks: try client.call("query-block"),
            nodes: try client.call("query-named-block-nodes", ["flat": true]))
        var description = MachineDescription(
            name: name, uuid: uuid?.contains { $0 != "0" && $0 != "-" } == true ? uuid : nil,
            platform: "qemu", architecture: ask("query-target")["arch"]?.text ?? "x86_64",
            processors: processors,
            memory: ["base-memory", "plugged-memory"].reduce(0) { sum, part in
                sum + UInt64(max(0, memory[part]?.integer ?? 0))
            },
            firmware: firmware(arguments), disks: disks.map { describe($0, saved) },
            interfaces: interfaces())
        description.hasTPM = ask("query-tpm").list?.isEmpty == false
        var files: [String: [UInt8]] = [:]
        if !arguments.isEmpty {
            files[Self.commandLineFile] = Array(
                JSON.array(arguments.map(JSON.string)).serialized.utf8)
            description.files["command-line"] = Self.commandLineFile
        }
        return MachineDefinition(description: description, files: files)
    }

    /// What it does not tell is not known; that is no reason to fail.
    private func ask(_ command: String, _ arguments: [String: JSON] = [:]) -> JSON {
        (try? client.call(command, arguments)) ?? .null
    }

    private func property(_ path: String, _ name: String) -> JSON {
        ask("qom-get", ["path": .string(path), "property": .string(name)])
    }

    // MARK: parts

    private func describe(_ disk: QEMUDisk, _ saved: Set<String>) -> MachineDescription.Disk {
        let kind = property(disk.device, "type").text ?? ""
        let buses = ["virtio", "scsi", "ide", "nvme", "usb", "sd"]
        let serial = property(disk.device, "serial").text
        // The device that the bus sees has the boot order; its part that has the drive may not.
        let owner =
            disk.device.hasSuffix("/virtio-backend")
            ? String(disk.device.dropLast("/virtio-backend".count)) : disk.device
        let order = property(owner, "bootindex").integer
        return .init(
            name: disk.name, volume: saved.contains(disk.name) ? disk.name : nil, size: disk.size,
            bus: buses.first { kind.hasPrefix($0) } ?? kind, format: disk.format,
            serial: serial?.isEmpty == false ? serial : nil, isReadOnly: disk.isReadOnly,
            bootOrder: order.flatMap { $0 >= 0 ? Int(clamping: $0) + 1 : nil })
    }

    /// From the devices that have a `mac`, as far as they have a name or are anonymous.
    private func interfaces() -> [MachineDescription.Interface] {
        ["/machine/peripheral", "/machine/peripheral-anon"].flatMap { folder in
            (ask("qom-list", ["path": .string(folder)]).list ?? []).compactMap { entry in
                guard let child = entry["name"]?.text, let type = entry["type"]?.text,
                    type.hasPrefix("child<")
                else { return nil }
                let path = "\(folder)/\(child)"
                guard let mac = property(path, "mac").text else { return nil }
                let network = property(path, "netdev").text
                let order = property(path, "bootindex").integer
                return .init(
                    mac: mac, network: network?.isEmpty == false ? network : nil, kind: "user",
                    model: String(type.dropFirst("child<".count).dropLast()),
                    bootOrder: order.flatMap { $0 >= 0 ? Int(clamping: $0) + 1 : nil })
            }
        }
    }

    /// UEFI lies in flash, or is given by a name that tells.
    private func firmware(_ arguments: [String]) -> MachineDescription.Firmware {
        let blocks = ask("query-block").list ?? []
        let hasFlash = blocks.contains {
            $0["inserted"] != nil
                && ($0["device"]?.text?.hasPrefix("pflash") == true
                    || $0["qdev"]?.text?.contains("flash") == true)
        }
        let isNamed = arguments.contains { argument in
            ["OVMF", "AAVMF", "edk2"].contains { argument.contains($0) }
        }
        return hasFlash || isNamed ? .uefi : .bios
    }

    // MARK: the command line

    /// The arguments of the process at the other end, where it is a QEMU of this host.
    private func commandLine() -> [String] {
        guard let process = client.peerProcess,
            let bytes = try? Files.readWhole("/proc/\(process)/cmdline", limit: 1 << 22)
        else { return [] }
        let arguments = bytes.split(separator: 0, omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }.dropLast()
        guard let program = arguments.first, program.contains("qemu") || program.contains("kvm")
        else { return [] }
        return arguments.map(Self.withoutSecrets)
    }

    /// The argument with passwords and keys masked.
    static func withoutSecrets(_ argument: String) -> String {
        let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
        let isSecret = argument.hasPrefix("secret,") || argument.contains("qom-type=secret")
        return parts.map { part in
            guard let equals = part.firstIndex(of: "=") else { return String(part) }
            let key = part[..<equals]
            let isMasked =
                key.hasSuffix("password") || key.hasSuffix("passwd")
                || isSecret && (key == "data" || key == "iv")
            return isMasked ? "\(key)=***" : String(part)
        }.joined(separator: ",")
    }
}
