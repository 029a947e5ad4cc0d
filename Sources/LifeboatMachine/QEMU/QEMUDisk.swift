package import LifeboatCore

/// A disk of a guest, as QEMU tells of it.
package struct QEMUDisk: Sendable, Equatable {
    /// A dirty bitmap of a disk's node.
    package struct Bitmap: Sendable, Equatable {
        var name: String
        var isRecording: Bool
        var isInconsistent: Bool
        var isBusy: Bool
    }

    /// Its name in points.
    package var name: String
    /// The device of the guest, as a path that QEMU's object model knows.
    var device: String
    /// The node that the device uses.
    var node: String
    var format: String
    var size: UInt64
    var isReadOnly: Bool
    /// Whether bitmaps can be kept in it beyond the end of QEMU.
    var keepsBitmaps: Bool
    var bitmaps: [Bitmap]

    /// The disks among the block devices that `query-block` and `query-named-block-nodes` tell of.
    ///
    /// Removable drives, empty ones and those of no device are none; nor is flash, which holds
    /// firmware.
    package static func find(blocks: JSON, nodes: JSON) -> [QEMUDisk] {
        let bitmaps = bitmapsByNode(nodes)
        var disks: [QEMUDisk] = []
        for block in blocks.list ?? [] {
            guard let inserted = block["inserted"], let device = block["qdev"]?.text,
                !device.isEmpty, block["removable"]?.flag != true,
                let node = inserted["node-name"]?.text,
                let size = inserted["image"]?["virtual-size"]?.integer, size > 0,
                !device.contains("flash"), block["device"]?.text?.hasPrefix("pflash") != true
            else { continue }
            let image = inserted["image"]
            let compatible = image?["format-specific"]?["data"]?["compat"]?.text
            let format = inserted["drv"]?.text ?? "raw"
            disks.append(
                QEMUDisk(
                    name: name(block, device: device, node: node),
                    device: device.hasPrefix("/") ? device : "/machine/peripheral/" + device,
                    node: node, format: format, size: UInt64(size),
                    isReadOnly: inserted["ro"]?.flag == true,
                    keepsBitmaps: format == "qcow2" && compatible != "0.10",
                    bitmaps: bitmaps[node] ?? []))
        }
        return named(disks.sorted { $0.device < $1.device })
    }

    static func bitmapsByNode(_ nodes: JSON) -> [String: [Bitmap]] {
        var found: [String: [Bitmap]] = [:]
        for node in nodes.list ?? [] {
            guard let name = node["node-name"]?.text else { continue }
            found[name] = (node["dirty-bitmaps"]?.list ?? []).compactMap { bitmap in
                guard let name = bitmap["name"]?.text else { return nil }
                return Bitmap(
                    name: name, isRecording: bitmap["recording"]?.flag == true,
                    isInconsistent: bitmap["inconsistent"]?.flag == true,
                    isBusy: bitmap["busy"]?.flag == true)
            }
        }
        return found
    }

    /// The device's id as its user gave it; else the drive's, else the node's; else empty.
    private static func name(_ block: JSON, device: String, node: String) -> String {
        if !device.hasPrefix("/") { return device }
        let parts = device.split(separator: "/")
        if let place = parts.firstIndex(of: "peripheral"), place + 1 < parts.count {
            return String(parts[place + 1])
        }
        if let name = block["device"]?.text, !name.isEmpty { return name }
        return node.hasPrefix("#") || node.hasPrefix(QEMUNames.common) ? "" : node
    }

    /// Gives those a name that have none or another's.
    private static func named(_ disks: [QEMUDisk]) -> [QEMUDisk] {
        var used: Set<String> = []
        return disks.enumerated().map { number, disk in
            var disk = disk
            if disk.name.isEmpty { disk.name = "disk\(number)" }
            let wanted = disk.name
            var suffix = 2
            while !used.insert(disk.name).inserted {
                disk.name = "\(wanted)-\(suffix)"
                suffix += 1
            }
            return disk
        }
    }
}
