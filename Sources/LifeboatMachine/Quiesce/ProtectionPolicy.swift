/// How one machine is protected.
public struct ProtectionPolicy: Sendable, Equatable {
    /// What is done about another tool's checkpoints.
    public enum ForeignCheckpoints: String, Sendable, CaseIterable, Codable {
        /// They stay, and ours stand beside them.
        case leave
        /// They are deleted.
        case adopt
        /// The backup is refused.
        case refuse
    }

    public var quiesce = QuiescePolicy.prefer
    /// The guest is thawed after so many seconds, whatever happens.
    public var freezeSeconds = 20.0
    /// Mount points in the guest to freeze; all when empty.
    public var mountPoints: [String] = []
    /// Whether the guest's agent runs freeze hooks that quiesce its applications, and that fail the
    /// freeze when they fail: then a freeze gives the level `application`.
    public var hasFreezeHooks = false
    /// Whether a process in the guest, where it allows commands, thaws it by itself after the
    /// deadline.
    public var armsDeadMan = true
    public var hooks: [HostHook] = []
    /// Run in the guest before it is frozen, in this order.
    public var guestCommands: [GuestCommand] = []
    /// Disks to back up, by target such as `vda`; all when empty.
    public var includedDisks: [String] = []
    public var excludedDisks: [String] = []
    public var foreignCheckpoints = ForeignCheckpoints.leave
    /// Most bytes that one backup's scratch files may take; `nil` for what their file system has,
    /// less a tenth.
    public var scratchBytes: UInt64?

    public init() {}
}

/// A program of the host that is run in the course of a backup.
public struct HostHook: Sendable, Equatable {
    /// When it is run.
    public enum Moment: String, Sendable, CaseIterable, Codable {
        /// Before anything is frozen.
        case beforeFreeze = "before-freeze"
        /// After all guests run again, also where freezing failed.
        case afterThaw = "after-thaw"
        /// When the point stands.
        case afterBackup = "after-backup"
        /// When there is no point.
        case onFailure = "on-failure"
    }

    public var moment: Moment
    /// The program's path and its arguments; no shell takes part.
    public var arguments: [String]
    public var timeoutSeconds = 30.0
    public var onError = OnError.fail

    public init(moment: Moment, arguments: [String]) {
        self.moment = moment
        self.arguments = arguments
    }
}

/// A command that the guest's agent runs in the guest.
public struct GuestCommand: Sendable, Equatable {
    /// The program's path in the guest and its arguments.
    public var arguments: [String]
    public var timeoutSeconds = 30.0
    public var onError = OnError.degrade
    /// Whether it quiesces applications: where it succeeds, a freeze gives level `application`.
    public var quiescesApplications = false

    public init(arguments: [String]) { self.arguments = arguments }
}

/// What the failure of a hook or command means for the backup.
public enum OnError: String, Sendable, CaseIterable, Codable {
    /// This machine's backup fails.
    case fail
    /// The point's level is lower, and says why.
    case degrade
    /// It is told, and that is all.
    case ignore
}
