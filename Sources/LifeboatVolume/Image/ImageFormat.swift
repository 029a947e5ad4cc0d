internal import LifeboatSystem

/// A format of disk images that QEMU's tools read and write.
public enum ImageFormat: String, Sendable, CaseIterable {
    case raw, qcow2, vmdk, vhdx, vdi

    /// By the ending of a name; `nil` for all names that do not stand for a format.
    public init?(nameOf path: String) {
        let name = path.split(separator: "/").last ?? ""
        // What VMware calls so is the raw bytes beside a description.
        guard !name.hasSuffix("-flat.vmdk"), let dot = name.lastIndex(of: "."),
            let format = Self(rawValue: name[name.index(after: dot)...].lowercased()),
            format != .raw
        else { return nil }
        self = format
    }

    /// By the first bytes of a file or device; `nil` where they stand for no format, as those of a
    /// raw image do.
    public init?(contentOf path: String) {
        guard let file = try? File(path: path, access: .read),
            file.kind == .regular || file.kind == .blockDevice
        else { return nil }
        let head = Buffer(capacity: 512)
        guard let count = try? file.read(at: 0, into: head.storage) else { return nil }
        head.count = count
        let bytes = Array(head.bytes)
        let found = Self.marks.first { bytes.dropFirst($0.offset).starts(with: $0.bytes) }
        guard let found else { return nil }
        self = found.format
    }

    private static let marks: [(format: ImageFormat, offset: Int, bytes: [UInt8])] = [
        (.qcow2, 0, Array("QFI".utf8) + [0xFB]), (.vmdk, 0, Array("KDMV".utf8)),
        (.vmdk, 0, Array("# Disk DescriptorFile".utf8)), (.vhdx, 0, Array("vhdxfile".utf8)),
        (.vdi, 64, [0x7F, 0x10, 0xDA, 0xBE]),
    ]
}
