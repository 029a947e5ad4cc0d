/// How wild a schedule is: how often each thing goes wrong, in 1000 times that it could.
struct Faults: Sendable {
    var lostReply = 0
    var latePut = 0
    var doubledPut = 0
    var lateDelete = 0
    var staleListing = 0
    /// Per step of a process.
    var crash = 0
    var sleep = 0
    /// Per turn of the schedule.
    var clone = 0
    var setBack = 0
    var clockJump = 0
    var rosterChange = 0
    var wrongFence = 0
    /// How many steps a process does in a row, at most.
    var burst = 64

    init() {}

    init(_ random: inout Randomness) {
        func level(_ random: inout Randomness, _ choices: [Int]) -> Int {
            choices[random.below(choices.count)]
        }
        burst = level(&random, [2, 8, 40, 200])
        guard !random.chance(100) else { return }
        lostReply = level(&random, [0, 20, 150])
        latePut = level(&random, [0, 20, 150])
        doubledPut = level(&random, [0, 50])
        lateDelete = level(&random, [0, 50, 400])
        staleListing = level(&random, [0, 300, 900])
        crash = level(&random, [0, 1, 4])
        sleep = level(&random, [0, 2, 8, 20])
        clone = level(&random, [0, 0, 4, 12])
        setBack = level(&random, [0, 0, 4, 12])
        clockJump = level(&random, [0, 5])
        rosterChange = level(&random, [0, 0, 6, 20])
        wrongFence = level(&random, [0, 200, 800])
    }
}
