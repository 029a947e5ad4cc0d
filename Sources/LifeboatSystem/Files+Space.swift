internal import Glibc

extension Files {
    /// How many bytes can still be written to the file system of a path; `nil` where it does not
    /// tell.
    public static func availableBytes(_ path: String) -> UInt64? {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { return nil }
        return UInt64(status.f_bavail) * UInt64(status.f_frsize)
    }
}
