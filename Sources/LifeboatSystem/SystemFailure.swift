internal import Glibc
public import LifeboatCore

extension LifeboatError {
    /// The error for a failed system call on `path`, from its `errno`.
    ///
    /// - `message`: what was tried, such as `cannot open /srv/disk.img`.
    /// - `reading`: whether an input/output error means that a source could not be read.
    public static func system(
        _ message: String, path: String, number: Int32, reading: Bool = false
    ) -> LifeboatError {
        LifeboatError(
            code(for: number, reading: reading), message, subject: path, cause: text(for: number))
    }

    private static func code(for number: Int32, reading: Bool) -> Code {
        switch number {
        case ENOSPC, EDQUOT: .full
        case EACCES, EPERM, EROFS: .denied
        case ENOENT, ENOTDIR: .missing
        case EEXIST: .exists
        case EBUSY, ETXTBSY, ELOOP, EISDIR, ENAMETOOLONG: .refused
        case EINVAL, EOPNOTSUPP, ENOSYS, EFBIG: .unsupported
        default: reading ? .unreadable : .unavailable
        }
    }

    private static func text(for number: Int32) -> String {
        guard let text = strerror(number) else { return "error \(number)" }
        return String(cString: text)
    }
}
