/// How wild a schedule is: how often each thing goes wrong, in 1000 times that it could.
struct Faults: Sendable {
    var lostReply = 0
    var latePut = 0
    var doubledPut = 0
    var lateDelete = 0
    var staleListing = 0
    /// Per step of a process.
    var crash = 0
    /// Per pack that a writer has stored: it crashes.
    var dying = 0
    var sleep = 0
    /// Where a process has just learnt or told something: there an interruption is worth most.
    var writerNap = 0
    var keeperNap = 0
    /// How many steps a process sleeps, at most.
    var longestSleep = 1
    /// Per ten steps.
    var clone = 0
    var setBack = 0
    var clockJump = 0
    var rosterChange = 0
    var wrongFence = 0
    /// How many steps a process does in a row, and how many questions it asks in one, at most.
    var burst = 16
    var questions = 1000

    init() {}

    /// Of everything something, so that things meet which nobody has thought of.
    init(_ random: inout Randomness) {
        burst = random.among([1, 3, 10, 40])
        questions = random.chance(50) ? 1 : random.chance(150) ? 20 : 1000
        longestSleep = random.among([50, 200, 600])
        guard !random.chance(50) else { return }
        lostReply = random.among([0, 20, 150])
        latePut = random.among([0, 20, 150])
        doubledPut = random.among([0, 50])
        lateDelete = random.among([0, 50, 400])
        staleListing = random.among([0, 300, 900])
        crash = random.among([0, 4, 16])
        sleep = random.among([0, 4, 16, 40])
        writerNap = random.among([0, 30, 150])
        keeperNap = random.among([0, 30, 150])
        clone = random.among([0, 0, 10, 40])
        setBack = random.among([0, 0, 10, 40])
        clockJump = random.among([0, 10])
        rosterChange = random.among([0, 0, 10, 40])
        wrongFence = random.among([0, 200, 800])
    }
}
