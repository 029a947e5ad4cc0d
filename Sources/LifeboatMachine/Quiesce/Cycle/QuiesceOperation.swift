public import LifeboatCore

/// Something that a quiesce cycle wants done; its answer is told with the same ticket.
public struct QuiesceOperation: Sendable, Equatable {
    public enum Work: Sendable, Equatable {
        /// A program of the host.
        case hook(HostHook)
        /// What system the guest runs.
        case inspect
        /// A program in the guest, to its end.
        case command(GuestCommand)
        /// The dead-man in the guest, which thaws it after so many seconds.
        case arm(seconds: Double)
        /// Ends the dead-man again.
        case disarm(process: Int64)
        /// The guardian of the whole group.
        case startGuardian
        /// Tells the guardian which members are known to run.
        case releaseGuardian(running: [Int])
        case freeze
        case pause
        case snapshot
        case thaw
        case askFrozen
        case resume
    }

    public var ticket: Int
    /// The index of the member; 0 for what concerns all.
    public var member: Int
    public var work: Work
    public var timeoutSeconds: Double
}

/// How an operation ended.
public enum QuiesceAnswer: Sendable, Equatable {
    case done
    case system(GuestSystem)
    /// The dead-man's number in the guest.
    case process(Int64)
    /// How many file systems were frozen or thawed.
    case count(Int)
    case isFrozen(Bool)
    case failed(LifeboatError)
}

/// What happens to a quiesce cycle.
public enum QuiesceEvent: Sendable, Equatable {
    case answer(ticket: Int, QuiesceAnswer)
    /// Time has passed.
    case time
    /// The user wants an end.
    case cancelled
}

/// What a quiesce cycle wants.
public enum QuiesceAction: Sendable {
    case perform(QuiesceOperation)
    case tell(Event)
}
