/// The rules of a quiesce cycle that keep guests running and points honest.
///
/// All are in force; a simulation switches one off to see that it notices.
public struct QuiesceRules: OptionSet, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// A freeze that failed or was not answered is followed by a thaw all the same.
    public static let thawAfterFailedFreeze = QuiesceRules(rawValue: 1 << 0)
    /// A thaw is over when the guest says `thawed`, not when the thaw was answered.
    public static let askUntilThawed = QuiesceRules(rawValue: 1 << 1)
    /// After a freeze without an answer one `thawed` is not enough: it may still happen.
    public static let distrustLateFreezes = QuiesceRules(rawValue: 1 << 2)
    /// A guest is thawed when its time is over, whatever the others wait for.
    public static let thawAtOwnDeadline = QuiesceRules(rawValue: 1 << 3)
    /// What fails before the snapshots lets everything run again.
    public static let thawOnGroupFailure = QuiesceRules(rawValue: 1 << 4)
    /// Nothing is frozen that nobody but this process would thaw.
    public static let guardBeforeFreezing = QuiesceRules(rawValue: 1 << 5)
    /// No file system frozen is not frozen.
    public static let zeroFrozenIsCrash = QuiesceRules(rawValue: 1 << 6)
    /// A thaw that fails, or thaws less than was frozen, says that the freeze had ended before.
    public static let doubtfulThawIsCrash = QuiesceRules(rawValue: 1 << 7)
    /// What was thawed before its snapshot was not frozen in it.
    public static let earlyThawIsCrash = QuiesceRules(rawValue: 1 << 8)
    /// Windows ends a freeze by itself after ten seconds.
    public static let windowsLimit = QuiesceRules(rawValue: 1 << 9)
    /// A pause that failed or was not answered is followed by a resumption all the same.
    public static let resumeAlways = QuiesceRules(rawValue: 1 << 10)
    /// A failed command that was to quiesce applications gives no level `application`.
    public static let failedCommandsLowerTheLevel = QuiesceRules(rawValue: 1 << 11)

    public static let all = QuiesceRules(rawValue: (1 << 12) - 1)
}
