internal import Glibc
public import LifeboatCore

extension Files {
    /// Size in bytes, and last modification in milliseconds since 1970.
    public static func status(
        _ path: String
    ) throws(LifeboatError) -> (size: UInt64, modified: UInt64) {
        var information = stat()
        guard lstat(path, &information) == 0 else { throw failure("cannot look at", path) }
        let time = information.st_mtim
        return (
            UInt64(max(0, information.st_size)),
            UInt64(max(0, time.tv_sec)) * 1000 + UInt64(time.tv_nsec / 1_000_000)
        )
    }

    /// Removes a directory and everything below it; symbolic links are not followed.
    ///
    /// Somebody else may remove what is in it at the same time, as libvirt does with files of its own.
    public static func removeTree(_ path: String) throws(LifeboatError) {
        var information = stat()
        guard lstat(path, &information) == 0 else { throw failure("cannot look at", path) }
        guard information.st_mode & S_IFMT == S_IFDIR else { return try remove(path) }
        for name in try list(path) {
            do throws(LifeboatError) {
                try removeTree(path + "/" + name)
            } catch  where error.code == .missing {
                continue
            }
        }
        guard rmdir(path) == 0 else { throw failure("cannot remove", path) }
    }
}
