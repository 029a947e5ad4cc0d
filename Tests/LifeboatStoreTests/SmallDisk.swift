import Glibc
import LifeboatCore
import LifeboatSystem

/// A small file system in memory; mounting it takes root.
final class SmallDisk {
    let path: String

    init(at path: String, kibibytes: Int) throws(LifeboatError) {
        self.path = path
        try Files.makeDirectories(path)
        guard mount("tmpfs", path, "tmpfs", 0, "size=\(kibibytes)k") == 0 else {
            throw .system("cannot mount a file system at", path: path, number: errno)
        }
    }

    deinit { umount(path) }

    /// Makes a file look as if it was last changed so long ago.
    static func setAge(of path: String, seconds: Int) {
        let moment = timeval(tv_sec: time(nil) - seconds, tv_usec: 0)
        utimes(path, [moment, moment])
    }
}
