/// Builds what libvirt wants to be told of a backup.
///
/// Source: libvirt's schemas domainbackup.rng and domaincheckpoint.rng.
enum BackupXML {
    /// A disk in a backup.
    struct Disk: Sendable, Hashable {
        var name: String
        /// The scratch file; `nil` for a disk that is not backed up.
        var scratch: String?
        /// The checkpoint since which its changes are told; `nil` where it is read whole.
        var since: String?
        /// Whether a bitmap is made for the next backup.
        var isTracked: Bool
    }

    /// The metadata context's bitmap of a disk.
    static func exportBitmap(_ disk: String) -> String { "lifeboat-\(disk)" }

    static func backup(_ disks: [Disk], server: String) -> String {
        var lines = ["<domainbackup mode='pull'>", "  \(server)", "  <disks>"]
        for disk in disks {
            let name = XMLTree.escape(disk.name)
            guard let scratch = disk.scratch else {
                lines.append("    <disk name='\(name)' backup='no'/>")
                continue
            }
            var attributes = "name='\(name)' backup='yes' type='file' exportname='\(name)'"
            if let since = disk.since {
                attributes += " backupmode='incremental' incremental='\(XMLTree.escape(since))'"
                attributes += " exportbitmap='\(XMLTree.escape(exportBitmap(disk.name)))'"
            } else {
                attributes += " backupmode='full'"
            }
            lines.append(
                "    <disk \(attributes)><scratch file='\(XMLTree.escape(scratch))'/></disk>")
        }
        return (lines + ["  </disks>", "</domainbackup>", ""]).joined(separator: "\n")
    }

    /// A server on a UNIX socket of the hypervisor's host.
    static func unixServer(_ path: String) -> String {
        "<server transport='unix' socket='\(XMLTree.escape(path))'/>"
    }

    /// A server on an address of the hypervisor's host.
    static func networkServer(_ host: String, port: UInt64, hasTLS: Bool) -> String {
        "<server transport='tcp'\(hasTLS ? " tls='yes'" : "") name='\(XMLTree.escape(host))' "
            + "port='\(port)'/>"
    }

    static func checkpoint(_ name: String, _ disks: [Disk]) -> String {
        var lines = ["<domaincheckpoint>", "  <name>\(XMLTree.escape(name))</name>", "  <disks>"]
        for disk in disks {
            let kind = disk.isTracked ? "bitmap' bitmap='\(XMLTree.escape(name))" : "no"
            lines.append("    <disk name='\(XMLTree.escape(disk.name))' checkpoint='\(kind)'/>")
        }
        return (lines + ["  </disks>", "</domaincheckpoint>", ""]).joined(separator: "\n")
    }

    /// A checkpoint that libvirt forgot, whose bitmaps are on these disks.
    static func forgotten(
        _ name: String, disks: [String], others: [String], creationSeconds: UInt64, domain: String
    ) -> String {
        var lines = [
            "<domaincheckpoint>", "  <name>\(XMLTree.escape(name))</name>",
            "  <creationTime>\(creationSeconds)</creationTime>", "  <disks>",
        ]
        for disk in disks {
            lines.append(
                "    <disk name='\(XMLTree.escape(disk))' checkpoint='bitmap' "
                    + "bitmap='\(XMLTree.escape(name))'/>")
        }
        for disk in others {
            lines.append("    <disk name='\(XMLTree.escape(disk))' checkpoint='no'/>")
        }
        return (lines + ["  </disks>", domain, "</domaincheckpoint>", ""]).joined(separator: "\n")
    }
}
