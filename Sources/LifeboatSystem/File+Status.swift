internal import CLinux
internal import Glibc

/// What makes a file the same file, whatever its name is.
public struct FileIdentity: Hashable, Sendable {
    /// The device that the file lies on.
    public let device: UInt64
    /// Its number there.
    public let inode: UInt64
    /// For a device node, the device that it stands for; else 0.
    public let represents: UInt64
}

extension File {
    /// The identity; `nil` if the system does not say.
    public var identity: FileIdentity? {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return nil }
        return FileIdentity(status)
    }

    /// Whether anybody, this process included, has the regular file open for writing; `nil` where
    /// the system does not say.
    public var hasWriter: Bool? {
        // On a descriptor of its own: leases belong to open files, and this one may be shared.
        guard let probe = try? File(path: "/proc/self/fd/\(descriptor)", access: .read) else {
            return nil
        }
        let answer = lifeboat_has_writer(probe.descriptor)
        return answer < 0 ? nil : answer == 1
    }

    /// Seconds since the content last changed.
    public var ageSeconds: Double? {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return nil }
        let changed = Double(status.st_mtim.tv_sec) + Double(status.st_mtim.tv_nsec) / 1e9
        return Double(Clock.milliseconds()) / 1000 - changed
    }
}

extension Files {
    /// The identity of what a name leads to; `nil` if nothing is there.
    public static func identity(_ path: String) -> FileIdentity? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        return FileIdentity(status)
    }

    /// Where a symbolic link points to, as it is written there.
    public static func linkTarget(_ path: String) -> String? {
        var bytes = [CChar](repeating: 0, count: 4096)
        let count = readlink(path, &bytes, bytes.count)
        guard count > 0 else { return nil }
        return String(decoding: bytes.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// The content of a small text file such as those in `/proc` and `/sys`.
    public static func text(_ path: String, limit: Int = 1 << 22) -> String? {
        guard let bytes = try? readWhole(path, limit: limit) else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension FileIdentity {
    init(_ status: stat) {
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
        let isDevice = [S_IFBLK, S_IFCHR].contains(status.st_mode & S_IFMT)
        represents = isDevice ? UInt64(status.st_rdev) : 0
    }
}

/// Device numbers as `/sys` and `/proc` write them.
public enum DeviceNumber {
    /// `8:1`.
    public static func text(_ device: UInt64) -> String {
        "\(lifeboat_device_major(device)):\(lifeboat_device_minor(device))"
    }

    /// Reads `8:1`.
    public static func parse(_ text: some StringProtocol) -> UInt64? {
        let parts = text.split(separator: ":")
        guard parts.count == 2, let major = UInt32(parts[0]), let minor = UInt32(parts[1]) else {
            return nil
        }
        return lifeboat_device(major, minor)
    }
}
