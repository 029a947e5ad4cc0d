import LifeboatCore
import LifeboatSystem

/// Leaves of a volume's block map, those used lately. Safe from many threads.
final class LeafCache: Sendable {
    /// 16 Ki leaves are 32 GiB of a volume with chunks of 64 KiB, and 16 MiB of memory.
    private static let limit = 1 << 14

    private struct State {
        var leaves: [UInt64: (ids: [Digest], used: UInt64)] = [:]
        var clock: UInt64 = 0
    }

    private let state = Guarded(State())

    /// The ids of a leaf that is here; none when it holds only zeros.
    func leaf(_ number: UInt64) -> [Digest]? {
        state.withLock { state in
            guard let known = state.leaves[number] else { return nil }
            state.clock += 1
            state.leaves[number] = (known.ids, state.clock)
            return known.ids
        }
    }

    func keep(_ number: UInt64, _ ids: [Digest]) {
        state.withLock { state in
            state.clock += 1
            state.leaves[number] = (ids, state.clock)
            guard state.leaves.count > Self.limit else { return }
            // Half of them at once, so that not every leaf looks through all of them.
            let median = state.leaves.values.map(\.used).sorted()[state.leaves.count / 2]
            state.leaves = state.leaves.filter { $0.value.used > median }
        }
    }
}
