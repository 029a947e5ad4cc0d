/// The rules of the protocol that keep data safe.
///
/// All are in force; a simulation switches one off to see that it notices. Source:
/// formats/collection.md, "Rules", which gives the reason for each.
public struct Rules: OptionSet, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// A session announces itself before it reads what it relies on.
    public static let openBeforeReading = Rules(rawValue: 1 << 0)
    /// A keeper waits for sessions that do not know what it condemned.
    public static let waitForSessions = Rules(rawValue: 1 << 1)
    /// A keeper marks again before it deletes.
    public static let markAgain = Rules(rawValue: 1 << 2)
    /// A session relies on packs only that counted entries name and nobody condemns.
    public static let trustOnlyNamedPacks = Rules(rawValue: 1 << 3)
    /// A forgotten point is a root for as long as a session may still build on it.
    public static let keepForgottenRoots = Rules(rawValue: 1 << 4)
    /// A copy counts as kept only in a pack that no other keeper condemns.
    public static let respectOtherKeepers = Rules(rawValue: 1 << 5)
    /// A writer looks for a fence after it has put its entry.
    public static let checkFenceAfterCommit = Rules(rawValue: 1 << 6)
    /// A keeper announces a fence before it reads where the log ends.
    public static let announceFenceFirst = Rules(rawValue: 1 << 7)
    /// Entries behind a fence do not exist.
    public static let ignoreBehindFence = Rules(rawValue: 1 << 8)
    /// A host compares its log's end with what it remembers, and becomes a new incarnation.
    public static let noticeForeignEntries = Rules(rawValue: 1 << 9)
    /// Keepers' logs are read before writers' logs, and looked at again afterwards.
    public static let readKeepersFirst = Rules(rawValue: 1 << 10)
    /// Packs of a dead session are taken over only while the log still shows it as open.
    public static let adoptOpenSessionsOnly = Rules(rawValue: 1 << 11)
    /// Logs are found by asking for names, not by a listing.
    public static let askForNames = Rules(rawValue: 1 << 12)
    /// A log whose fence is not complete is not summed up.
    public static let noCheckpointInDoubt = Rules(rawValue: 1 << 13)
    /// Only entries that a stored checkpoint covers are deleted, and anchors stay.
    public static let keepAnchors = Rules(rawValue: 1 << 14)
    /// Unnamed objects are condemned like all others before they are deleted.
    public static let condemnOrphans = Rules(rawValue: 1 << 15)

    /// The roster is read again when the logs have been read.
    public static let readRosterAgain = Rules(rawValue: 1 << 16)
    /// Nobody relies on entries that a fence may still cut off.
    public static let relyOnlyOnWhatStands = Rules(rawValue: 1 << 17)
    /// A keeper makes sure that its decision stands before it deletes.
    public static let lookBeforeDeleting = Rules(rawValue: 1 << 18)
    /// A keeper announces that it stores packs anew, before it does.
    public static let openBeforeTidying = Rules(rawValue: 1 << 19)

    /// A pack of a dead session that was condemned when a session opened is not taken over, even
    /// if nothing is known of it any more.
    public static let adoptOnlyIfNeverCondemned = Rules(rawValue: 1 << 20)
    /// A keeper that was revoked deletes no entries, and readers follow no checkpoint of its that
    /// does not count.
    public static let endWithTheRoster = Rules(rawValue: 1 << 21)

    public static let all: Rules = [
        .openBeforeReading, .waitForSessions, .markAgain, .trustOnlyNamedPacks,
        .keepForgottenRoots, .respectOtherKeepers, .checkFenceAfterCommit, .announceFenceFirst,
        .ignoreBehindFence, .noticeForeignEntries, .readKeepersFirst, .adoptOpenSessionsOnly,
        .askForNames, .noCheckpointInDoubt, .keepAnchors, .condemnOrphans, .readRosterAgain,
        .relyOnlyOnWhatStands, .lookBeforeDeleting, .openBeforeTidying,
        .adoptOnlyIfNeverCondemned, .endWithTheRoster,
    ]
}
