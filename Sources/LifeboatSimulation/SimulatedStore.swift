import LifeboatCore
import LifeboatFormat
import LifeboatProtocol

/// The object store of a schedule.
///
/// It keeps one promise only: an acknowledged put of a name that was never used is visible to
/// every later read.
struct SimulatedStore {
    struct EntryName: Hashable {
        var incarnation: Identifier
        var sequence: UInt64

        func hash(into hasher: inout Hasher) {
            hasher.combine(incarnation.word0 ^ incarnation.word1 &* 0x9E37_79B9 ^ sequence)
        }
    }

    /// What every kind of object has.
    struct Slot<Name: Hashable, Content> {
        var name: Name
        var content: Content
        var isPresent = true
        var created: Int
        var deleted = Int.max

        /// Whether a listing that is as old as `time` shows it.
        func isListed(asOf time: Int) -> Bool {
            created <= time && (isPresent || deleted > time)
        }
    }

    /// Objects in the order of their creation, so that nothing depends on hashes.
    struct Shelf<Name: Hashable, Content> {
        private(set) var slots: [Slot<Name, Content>] = []
        private var positions: [Name: Int] = [:]

        subscript(_ name: Name) -> Content? {
            guard let position = positions[name], slots[position].isPresent else { return nil }
            return slots[position].content
        }

        /// What it was when it was there last.
        func content(_ name: Name) -> Content? { positions[name].map { slots[$0].content } }

        func slot(_ name: Name) -> Slot<Name, Content>? { positions[name].map { slots[$0] } }

        /// Puts it unless there is something under the name already.
        mutating func put(_ name: Name, _ content: Content, at time: Int) -> Bool {
            if let position = positions[name] {
                guard !slots[position].isPresent else { return false }
                slots[position].isPresent = true
                slots[position].content = content
                return true
            }
            positions[name] = slots.count
            slots.append(Slot(name: name, content: content, created: time))
            return true
        }

        mutating func delete(_ name: Name, at time: Int) {
            guard let position = positions[name], slots[position].isPresent else { return }
            slots[position].isPresent = false
            slots[position].deleted = time
        }
    }

    /// What an object holds: chunks as bits.
    struct Content: Hashable {
        var chunks: UInt64 = 0
        /// Of a body: the machine, and the chunk at each position.
        var machine = 0
        var positions: [UInt8] = []
    }

    var entries = Shelf<EntryName, VerifiedEntry>()
    var checkpoints = Shelf<LogEntry.CheckpointName, Checkpoint>()
    var objects = Shelf<ObjectReference, Content>()
    var roster: Roster?

    /// Answers a reader from what is there now.
    func answer(_ request: LogReading.Request) -> LogReading.Reply {
        switch request {
        case .entry(let incarnation, let sequence):
            entries[EntryName(incarnation: incarnation, sequence: sequence)].map { .entry($0) }
                ?? .missing
        case .checkpoint(let name): checkpoints[name].map { .checkpoint($0) } ?? .missing
        case .roster: roster.map { .roster($0) } ?? .missing
        }
    }
}

/// Something on its way to the store that arrives late.
struct LateRequest {
    enum Content {
        case putEntry(LogEntry, Digest)
        case put(ObjectReference, SimulatedStore.Content)
        case delete(ObjectReference)
        case deleteEntry(SimulatedStore.EntryName)
        case deleteCheckpoint(LogEntry.CheckpointName)
    }

    var due: Int
    var content: Content
}
