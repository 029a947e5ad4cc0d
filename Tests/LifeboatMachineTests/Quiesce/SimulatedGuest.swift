import LifeboatCore
import LifeboatMachine
import LifeboatTesting

/// A guest in simulated time, with faults that a seed chooses.
struct SimulatedGuest {
    enum FreezeFault: CaseIterable {
        case none, slow, nothingFrozen, refused, refusedButFrozen, lost, late, lateAndSilent
        case reordered, endsEarly
    }
    enum ThawFault: CaseIterable { case none, fails, hangs, answersOnly, statusFails }
    enum SnapshotFault: CaseIterable { case none, slow, fails, hangs }

    var isWindows: Bool
    /// Whether Windows says nothing of a freeze that it ended by itself.
    var isSilentAboutLimit: Bool
    var freezeFault = FreezeFault.none
    var thawFault = ThawFault.none
    var snapshotFault = SnapshotFault.none
    var pauseFails = false
    var inspectFails = false
    var armFails = false
    var commandFails = false
    /// How many more thaws or questions go wrong.
    var thawFaultsLeft = 0

    var isFrozen = false
    var isPaused = false
    /// When the agent is free again: it does one thing at a time.
    var freeAt = 0.0
    var frozenSince: Double?
    /// The longest time that it was frozen in one go.
    var longestFreeze = 0.0
    /// Whether it was frozen at its snapshot's instant; `nil` without a snapshot.
    var wasFrozenInSnapshot: Bool?
    var commandSucceeded = false
    var freezeRequested = false
    var resumeCount = 0

    init(_ random: inout SeededGenerator, faults: Bool) {
        isWindows = Int.random(in: 0..<4, using: &random) == 0
        isSilentAboutLimit = Bool.random(using: &random)
        guard faults else { return }
        func sometimes(_ share: Int) -> Bool { Int.random(in: 0..<share, using: &random) == 0 }
        if !sometimes(3) {
            freezeFault = FreezeFault.allCases.randomElement(using: &random) ?? .none
        }
        if sometimes(3) { thawFault = ThawFault.allCases.randomElement(using: &random) ?? .none }
        if sometimes(2) {
            snapshotFault = SnapshotFault.allCases.randomElement(using: &random) ?? .none
        }
        thawFaultsLeft = Int.random(in: 1...4, using: &random)
        pauseFails = sometimes(4)
        inspectFails = sometimes(12)
        armFails = sometimes(3)
        commandFails = sometimes(3)
    }

    mutating func freeze(_ now: Double) {
        guard !isFrozen else { return }
        isFrozen = true
        frozenSince = now
    }

    mutating func thaw(_ now: Double) {
        if let frozenSince { longestFreeze = max(longestFreeze, now - frozenSince) }
        frozenSince = nil
        isFrozen = false
    }
}
