import LifeboatCore
import LifeboatFormat
import LifeboatProtocol

/// A machine with a state directory and processes that share it.
///
/// It can be cloned and set back: see `copy`.
struct Host {
    var member: Identifier
    var role: Roster.Role
    var memory = HostMemory()
    /// Packs that each session has stored, until its commit is known to count.
    var journal: [Identifier: [Digest]] = [:]
    /// The process that holds the state directory's lock.
    var lock: Int?
    var processes: [Process]
    var machine = 0
    /// What the machine's volume holds: a chunk at each position.
    var volume: [UInt8] = []
    var clockOffset = 0
    var isGone = false
    var isTwin = false
    /// How many operations its processes may still begin.
    var remaining = 0

    /// The same host once more, with all that runs on it.
    var copy: Host {
        var copy = self
        copy.processes = processes.map { $0.copy() }
        return copy
    }

    mutating func crash(_ process: Int) {
        processes[process] = Process()
        if lock == process { lock = nil }
    }
}

/// A protocol that is going on, by reference: it is large.
final class Running<State> {
    /// By a pointer, for the compiler copies what it reads from a class's property.
    private let place: UnsafeMutablePointer<State>

    init(_ state: State) {
        place = .allocate(capacity: 1)
        place.initialize(to: state)
    }

    deinit {
        place.deinitialize(count: 1)
        place.deallocate()
    }

    var state: State {
        unsafeAddress { UnsafePointer(place) }
        unsafeMutableAddress { place }
    }

    /// Reads without a copy of the whole state.
    func with<Result>(_ read: (inout State) -> Result) -> Result { read(&place.pointee) }
}

/// One run of the program; at most one of the protocols is going on.
///
/// By reference, for its state is large and changes with every step.
final class Process {
    var session: Running<SessionProtocol>?
    var work = SessionWork()
    var collection: Running<CollectionProtocol>?
    var collecting = CollectionWork()
    var fence: Running<FenceProtocol>?
    var keeping: Running<KeepingProtocol>?
    var asleepUntil = 0

    func copy() -> Process {
        let copy = Process()
        copy.session = session.map { Running($0.state) }
        copy.work = work
        copy.collection = collection.map { Running($0.state) }
        copy.collecting = collecting
        copy.fence = fence.map { Running($0.state) }
        copy.keeping = keeping.map { Running($0.state) }
        copy.asleepUntil = asleepUntil
        return copy
    }

    var isIdle: Bool { session == nil && collection == nil && fence == nil && keeping == nil }
}

/// What a session does between opening and commit.
struct SessionWork {
    var isPlanned = false
    var positions: [UInt8] = []
    var machine = 0
    /// Packs still to be stored, by name.
    var toStore: [(pack: Digest, chunks: UInt64)] = []
    var stored: [Digest] = []
    var run: Digest?
    var body: Digest?
    var isBodyStored = false
}

/// What a keeper has in hand during one step of collection.
struct CollectionWork {
    var toDelete: [ObjectReference]?
    var deleted: [ObjectReference] = []
    var isNamed = false
}
