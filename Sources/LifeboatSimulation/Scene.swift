/// Who takes part in a schedule, and what befalls them.
///
/// Chance alone seldom brings together what a rule is there for. So most schedules have a theme:
/// one kind of trouble, and little that could disturb it.
public struct Scene: Sendable {
    /// What a schedule is mostly about.
    public enum Theme: String, Sendable, CaseIterable {
        /// A bit of everything; and the same at length.
        case mixed, long
        /// Keepers that store packs anew while others collect.
        case tidying
        /// Fences against writers that are at work.
        case fencing
        /// Fences that last while another keeper sums up.
        case doubt
        /// Points that are forgotten while sessions build on them.
        case forgetting
        /// Keepers that exist twice.
        case twins
        /// Writers that die when they have stored something, and come back slowly.
        case orphans
    }

    var theme = Theme.mixed
    var faults: Faults
    var writers = 2
    var keepers = 1
    /// How many processes share a writer's state directory, at most.
    var processes = 2
    /// How many operations a writer and a keeper begin, at least.
    var sessions = 1
    var operations = 2
    var chunks = 12
    /// How long somebody rests before an operation, at most; so that others' sleep ends between.
    var rest = 0
    /// How many keepers' operations tidy, in 1000; fence; forget.
    var tidying = 0
    var fencing = 0
    var forgetting = 0
    /// Whether at the end all that nobody needs is looked for.
    var endsWithCollection = true
    /// How often a keeper is cloned when it has condemned something, and hesitates to say what it
    /// has decided, in 1000.
    var cloning = 0
    var hesitation = 0
    /// How often the index does not know a chunk, so that it is stored again, in 1000.
    var duplicates = 200
    /// How close anchors are.
    var bitsPerLevel: UInt64 = 2
    /// How many of the points that could be forgotten are, in 1000.
    var forgetfulness = 600

    /// `theme`: that one, instead of one by chance.
    init(_ random: inout Randomness, theme chosen: Theme? = nil) {
        faults = Faults(&random)
        chunks = 6 + random.below(18)
        tidying = random.among([0, 300, 800])
        fencing = random.among([20, 100, 400])
        forgetting = random.among([100, 400])
        writers = 1 + random.below(3)
        keepers = random.among([1, 1, 2, 2, 3])
        rest = random.among([0, 50, 200])
        endsWithCollection = random.chance(300)
        theme = random.among([
            .mixed, .mixed, .mixed, .mixed, .tidying, .fencing, .doubt, .forgetting, .twins,
            random.chance(300) ? .long : .twins, random.chance(300) ? .orphans : .twins,
        ])
        if let chosen { theme = chosen }
        switch theme {
        case .mixed: break
        case .long:
            sessions = 6
            operations = 10
        case .tidying: setTidying(&random)
        case .fencing: setFencing(&random)
        case .doubt: setDoubt(&random)
        case .forgetting: setForgetting(&random)
        case .twins: setTwins(&random)
        case .orphans: setOrphans(&random)
        }
    }

    /// No faults but sleep, which lasts for as long as others need for much.
    private mutating func quieten(_ random: inout Randomness) {
        let (questions, isSilent) = (faults.questions, random.chance(800))
        if isSilent { faults = Faults() }
        faults.questions = questions
        faults.burst = random.among([10, 40])
        faults.longestSleep = random.among([200, 600, 1500])
        faults.setBack = 0
        faults.rosterChange = 0
        rest = random.among([30, 100])
        tidying = 0
        fencing = 0
    }

    private mutating func setTidying(_ random: inout Randomness) {
        quieten(&random)
        keepers = 2 + random.below(2)
        operations = 3
        tidying = random.among([500, 1000])
        faults.keeperNap = random.among([50, 150])
    }

    private mutating func setFencing(_ random: inout Randomness) {
        quieten(&random)
        writers = 2
        keepers = 1 + random.below(2)
        processes = 1
        sessions = 4
        operations = 5
        chunks = 6
        fencing = random.among([300, 500])
        forgetting = 0
        faults.wrongFence = 1000
        faults.keeperNap = random.among([50, 150])
        faults.writerNap = random.among([0, 50])
    }

    private mutating func setDoubt(_ random: inout Randomness) {
        setFencing(&random)
        keepers = 2 + random.below(2)
        sessions = 7
        operations = 7
        rest = 30
        fencing = 400
        forgetting = 0
        faults.longestSleep = random.among([150, 400])
        faults.keeperNap = random.among([80, 200])
        faults.writerNap = 0
    }

    private mutating func setForgetting(_ random: inout Randomness) {
        quieten(&random)
        writers = 1
        keepers = 1
        processes = 3
        sessions = 5
        operations = 8
        forgetting = 500
        forgetfulness = 1000
        faults.writerNap = random.among([30, 80])
        faults.keeperNap = 0
    }

    private mutating func setTwins(_ random: inout Randomness) {
        quieten(&random)
        writers = 2
        keepers = 1 + random.below(2)
        processes = 1
        sessions = 7
        operations = 7
        chunks = 4 + random.below(4)
        cloning = 200
        hesitation = random.among([0, 300, 900])
        duplicates = random.among([200, 600])
        faults.longestSleep = random.among([200, 600, 1500, 3000])
        bitsPerLevel = random.among([1, 2])
        forgetting = random.among([200, 400])
        forgetfulness = 1000
        faults.clone = random.among([0, 5])
        faults.keeperNap = random.among([30, 100])
        faults.writerNap = 0
    }

    private mutating func setOrphans(_ random: inout Randomness) {
        quieten(&random)
        writers = 1 + random.below(2)
        keepers = 1
        processes = 1
        sessions = 8
        operations = 12
        chunks = 6
        forgetting = 0
        faults.dying = random.among([300, 600])
        rest = random.among([50, 200])
        faults.longestSleep = random.among([150, 400])
        faults.writerNap = random.among([300, 500])
        faults.keeperNap = 0
    }
}
