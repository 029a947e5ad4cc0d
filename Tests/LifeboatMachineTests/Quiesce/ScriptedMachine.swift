import LifeboatCore
import LifeboatMachine
import LifeboatSystem

/// A machine whose snapshot does what a test says, with a scripted agent in its guest.
final class ScriptedMachine: ProtectedMachine {
    enum Snapshot: Sendable, Equatable {
        case quick
        case slow(Double)
        case fails
        /// Longer than any deadline of the tests.
        case hangs(Double)
    }

    struct State: Sendable {
        /// Whether its guest was frozen all the time in which the snapshot may have been made.
        var wasFrozen: Bool?
        var isPaused = false
        var pauses = 0
        var resumes = 0
        var failingResumes = 0
    }

    let name: String
    let platform = "test"
    let isRunning: Bool
    let quiescer: (any Quiescer)?
    let machineAddress: MachineAddress?
    let remains: SnapshotRemains?
    let state = Guarded(State())
    private let snapshot: Snapshot
    private let agent: ScriptedAgent?

    /// `socket`: of an agent in another process, where `agent` is not in this one.
    init(
        _ name: String, agent: ScriptedAgent?, socket: String? = nil, snapshot: Snapshot = .quick,
        isRunning: Bool = true, remains: SnapshotRemains? = nil
    ) {
        machineAddress = remains?.address
        self.remains = remains
        self.name = name
        self.agent = agent
        self.snapshot = snapshot
        self.isRunning = isRunning
        quiescer = (agent?.path ?? socket).map { AgentSocket(path: $0) }
    }

    func prepare(_ request: SnapshotRequest) throws(LifeboatError) {}

    func startSnapshot(timeoutSeconds: Double) throws(LifeboatError) {
        let before = agent?.isFrozen == true
        switch snapshot {
        case .quick: break
        case .slow(let seconds), .hangs(let seconds): Threads.sleep(seconds: seconds)
        case .fails: throw LifeboatError(.unavailable, "the snapshot was told to fail")
        }
        let after = agent?.isFrozen == true
        state.withLock { $0.wasFrozen = before && after }
    }

    func pause(timeoutSeconds: Double) throws(LifeboatError) {
        state.withLock {
            $0.isPaused = true
            $0.pauses += 1
        }
    }

    func resume(timeoutSeconds: Double) throws(LifeboatError) {
        let fails = state.withLock { state in
            state.resumes += 1
            if state.resumes > state.failingResumes { state.isPaused = false }
            return state.isPaused
        }
        if fails { throw LifeboatError(.unavailable, "the resumption was told to fail") }
    }

    func openVolumes() throws(LifeboatError) -> [SnapshotVolume] { [] }
    func definition() throws(LifeboatError) -> MachineDefinition {
        throw LifeboatError(.unsupported, "a scripted machine has no definition")
    }
    func finish(isDurable: Bool) -> [String] { [] }
}

/// Keeps the warnings that it is told.
final class WarningSink: EventSink {
    let warnings = Guarded<[String]>([])
    func tell(_ event: Event) {
        if case .warning(let text) = event { warnings.withLock { $0.append(text) } }
    }
}

/// Looks again and again, for at most a minute, whether something holds.
func eventually(_ isTrue: () -> Bool) -> Bool {
    let end = Clock.monotonicSeconds() + 60
    while Clock.monotonicSeconds() < end {
        if isTrue() { return true }
        Threads.sleep(seconds: 0.02)
    }
    return isTrue()
}
