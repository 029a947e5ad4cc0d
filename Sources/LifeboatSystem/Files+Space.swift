internal import Glibc
public import LifeboatCore

extension Files {
    /// How many bytes can still be written to the file system of a path; `nil` where it does not
    /// tell.
    public static func availableBytes(_ path: String) -> UInt64? {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { return nil }
        return UInt64(status.f_bavail) * UInt64(status.f_frsize)
    }

    /// Gives a file to another user and group.
    public static func setOwner(
        _ path: String, user: UInt32, group: UInt32
    ) throws(LifeboatError) {
        if chown(path, user, group) != 0 { throw failure("cannot change the owner of", path) }
    }
}
