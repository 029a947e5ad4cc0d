internal import Glibc
import LifeboatCore

/// What went wrong with a request to an NBD server.
struct NBDFault: Error {
    enum Kind {
        /// The server answered with an error, and the connection goes on.
        case answer
        /// The connection is lost.
        case dropped
        /// There was no answer in time.
        case silent
    }

    var kind: Kind
    /// The library's words.
    var cause: String
    /// The `errno` that goes with it, or 0.
    var number: Int32 = 0

    func error(_ message: String, subject: String, reading: Bool) -> LifeboatError {
        LifeboatError(code(reading: reading), message, subject: subject, cause: cause)
    }

    private func code(reading: Bool) -> LifeboatError.Code {
        guard kind == .answer else { return .unavailable }
        return switch number {
        case ENOSPC, EDQUOT: .full
        case EPERM, EACCES, EROFS: .denied
        default: reading ? .unreadable : .unavailable
        }
    }
}
