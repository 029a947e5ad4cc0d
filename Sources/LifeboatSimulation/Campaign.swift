public import LifeboatProtocol

/// Many schedules, from consecutive seeds.
public enum Campaign {
    /// All rules, as they are listed on docs/simulation.md.
    public static let rules: [NamedRule] = [
        .init(
            name: "openBeforeReading", rule: .openBeforeReading, theme: .long,
            purpose: "relying on a pack that a keeper condemns without knowing of the session"),
        .init(
            name: "waitForSessions", rule: .waitForSessions,
            purpose: "deleting what an open session relies on"),
        .init(
            name: "markAgain", rule: .markAgain,
            purpose: "deleting what a session took up while the keeper waited"),
        .init(
            name: "trustOnlyNamedPacks", rule: .trustOnlyNamedPacks,
            purpose: "relying on packs that nobody keeps"),
        .init(
            name: "keepForgottenRoots", rule: .keepForgottenRoots,
            purpose: "deleting the parent of an open session when it is forgotten"),
        .init(
            name: "respectOtherKeepers", rule: .respectOtherKeepers,
            purpose: "two keepers each deleting the copy that the other one keeps"),
        .init(
            name: "checkFenceAfterCommit", rule: .checkFenceAfterCommit,
            purpose: "a session that is told to count, behind a fence"),
        .init(
            name: "announceFenceFirst", rule: .announceFenceFirst,
            purpose: "a fence that cuts off an entry which was told to count"),
        .init(
            name: "ignoreBehindFence", rule: .ignoreBehindFence,
            purpose: "counting an entry whose packs nobody waited for"),
        .init(
            name: "noticeForeignEntries", rule: .noticeForeignEntries,
            purpose: "twins that write on in one log"),
        .init(
            name: "readKeepersFirst", rule: .readKeepersFirst,
            purpose: "missing entries that were summed up while they were read"),
        .init(
            name: "adoptOpenSessionsOnly", rule: .adoptOpenSessionsOnly,
            purpose: "taking over packs that have been deleted"),
        .init(
            name: "askForNames", rule: .askForNames,
            purpose: "missing entries that a listing does not show yet"),
        .init(
            name: "noCheckpointInDoubt", rule: .noCheckpointInDoubt,
            purpose: "summing up entries that a fence cuts off"),
        .init(
            name: "keepAnchors", rule: .keepAnchors,
            purpose: "losing the end of a keeper's log"),
        .init(
            name: "condemnOrphans", rule: .condemnOrphans,
            purpose: "deleting what a session has stored and not committed yet"),
        .init(
            name: "readRosterAgain", rule: .readRosterAgain,
            purpose: "not seeing a new member, or counting what the root has cut off"),
        .init(
            name: "relyOnlyOnWhatStands", rule: .relyOnlyOnWhatStands,
            purpose: "relying on packs of an entry that a fence cuts off"),
        .init(
            name: "lookBeforeDeleting", rule: .lookBeforeDeleting, theme: .twins,
            firstSeed: 10_401,
            purpose: "deleting by a decision that a twin's entry displaced"),
        .init(
            name: "openBeforeTidying", rule: .openBeforeTidying,
            purpose: "moving chunks into a pack that another keeper took for an orphan"),
        .init(
            name: "adoptOnlyIfNeverCondemned", rule: .adoptOnlyIfNeverCondemned,
            theme: .orphans,
            purpose: "taking over a pack whose deletion has been summed up already"),
        .init(
            name: "endWithTheRoster", rule: .endWithTheRoster,
            purpose: "following a checkpoint of a keeper that was revoked before it"),
    ]

    public static func run(
        seed: UInt64, rules: Rules = .all, isTraced: Bool = false, theme: Scene.Theme? = nil
    ) -> ScheduleResult {
        Simulation(seed: seed, rules: rules, isTraced: isTraced, theme: theme).run()
    }
}
