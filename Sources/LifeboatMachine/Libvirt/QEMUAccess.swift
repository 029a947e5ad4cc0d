internal import Glibc
internal import LifeboatCore
internal import LifeboatSystem

/// Lets the user that QEMU runs as make files in folders of ours.
enum QEMUAccess {
    /// Makes a folder that only root and this user may enter.
    ///
    /// - Throws: `.refused` where the user cannot get there, which would fail the backup only when
    ///   the guest is frozen.
    static func makeFolder(
        _ path: String, _ owner: DomainXML.Owner?
    ) throws(LifeboatError) {
        if mkdir(path, 0o700) != 0, errno != EEXIST {
            throw .system("cannot make the folder \(path)", path: path, number: errno)
        }
        guard let owner, owner.user != 0 else { return }
        if let closed = closedFolder(above: path, to: owner) {
            throw LifeboatError(
                .refused, "QEMU runs as user \(owner.user), who may not enter \(closed)",
                subject: closed,
                advice: "let others pass through it: `chmod o+x \(closed)`, or choose another "
                    + "folder")
        }
        if chown(path, owner.user, owner.group) != 0 {
            throw .system("cannot give \(path) to QEMU's user", path: path, number: errno)
        }
    }

    /// The topmost folder above a path that a user may not pass through.
    static func closedFolder(above path: String, to owner: DomainXML.Owner) -> String? {
        var closed: String?
        var folder = Files.parent(of: path)
        while true {
            var status = stat()
            guard stat(folder, &status) == 0 else { return folder }
            let bit: mode_t =
                status.st_uid == owner.user
                ? 0o100 : status.st_gid == owner.group ? 0o010 : 0o001
            if status.st_mode & bit == 0 { closed = folder }
            let above = Files.parent(of: folder)
            if above == folder || above == "." { return closed }
            folder = above
        }
    }
}
