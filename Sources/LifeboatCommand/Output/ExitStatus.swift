import LifeboatCore

/// The exit codes, as docs/cli.md, the help and the manual list them.
enum ExitStatus: Int32, CaseIterable {
    case success = 0
    case failure = 1
    case usage = 2
    case partlyDone = 3
    case noRepository = 10
    case unavailable = 11
    case wrongKey = 12
    case missing = 13
    case exists = 14
    case suspended = 15
    case damaged = 20
    case refused = 21
    case full = 22
    case unreadable = 23
    case unsupported = 24
    case denied = 25
    case interrupted = 130

    init(_ code: LifeboatError.Code) {
        switch code {
        case .cancelled: self = .interrupted
        case .damaged: self = .damaged
        case .denied: self = .denied
        case .exists: self = .exists
        case .full: self = .full
        case .missing: self = .missing
        case .noRepository: self = .noRepository
        case .unreadable: self = .unreadable
        case .refused: self = .refused
        case .suspended: self = .suspended
        case .unavailable: self = .unavailable
        case .unsupported: self = .unsupported
        case .wrongKey: self = .wrongKey
        case .usage: self = .usage
        case .internalFault: self = .failure
        }
    }

    var meaning: String {
        switch self {
        case .success: "done"
        case .failure: "a fault in lifeboat itself, or any failure that has no code of its own"
        case .usage: "the command line is wrong; nothing was done"
        case .partlyDone: "done, with warnings that matter: read them"
        case .noRepository: "no repository at the given place"
        case .unavailable: "the repository or a device does not answer now; try again"
        case .wrongKey: "no password, key file or recovery key fits"
        case .missing: "a point, volume, key or file that was named is not there"
        case .exists: "the target exists already; nothing was overwritten"
        case .suspended: "somebody suspended what would be used, such as a link: resume it"
        case .damaged: "stored data is damaged; the message says what is lost and what is not"
        case .refused: "lifeboat refuses to do it; the message says why"
        case .full: "no space left where something was to be written"
        case .unreadable: "a source could not be read"
        case .unsupported: "a newer format version, or something this build cannot do"
        case .denied: "the system or the store said no: check permissions"
        case .interrupted: "interrupted by a signal; what was stored stays valid"
        }
    }
}
