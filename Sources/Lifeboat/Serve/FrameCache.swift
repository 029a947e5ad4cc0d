import LifeboatCore
import LifeboatSystem

/// A frame of a pack.
struct FrameName: Hashable, Sendable {
    let pack: Digest
    let frame: Int
}

/// A frame's chunks, decoded, each checked against its id.
final class DecodedFrame: Sendable {
    let name: FrameName
    /// Ids of the chunks by slot; `nil` for one that is not what its id says.
    let ids: [Digest?]
    private let offsets: [Int]
    private let buffer: Buffer

    /// `offsets`: where each slot begins, and at last where the frame ends.
    init(name: FrameName, ids: [Digest?], offsets: [Int], buffer: Buffer) {
        self.name = name
        self.ids = ids
        self.offsets = offsets
        self.buffer = buffer
    }

    var byteCount: Int { buffer.capacity }

    /// The bytes of one chunk; they live as long as the frame.
    func bytes(_ slot: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(
            rebasing: UnsafeRawBufferPointer(buffer.storage)[offsets[slot]..<offsets[slot + 1]])
    }
}

/// Decoded frames in memory, those used lately; bounded by bytes. Safe from many threads.
///
/// Who asks for a frame that somebody else is fetching waits for that one.
final class FrameCache: Sendable {
    private struct State {
        var frames: [FrameName: (frame: DecodedFrame, used: UInt64)] = [:]
        var places: [Digest: (name: FrameName, slot: Int)] = [:]
        var fetches: [FrameName: Fetch] = [:]
        var byteCount = 0
        var clock: UInt64 = 0
    }

    /// A frame on its way; guarded by `condition`.
    private final class Fetch: @unchecked Sendable {
        var outcome: Result<DecodedFrame, LifeboatError>?
    }

    private let limit: Int
    private let condition = Condition()
    private let state = Guarded(State())

    /// `limit`: bytes of memory.
    init(limit: Int) { self.limit = limit }

    /// A chunk that is in memory.
    func chunk(_ id: Digest) -> (frame: DecodedFrame, slot: Int)? {
        state.withLock { state in
            guard let place = state.places[id], let entry = state.frames[place.name] else {
                return nil
            }
            state.clock += 1
            state.frames[place.name] = (entry.frame, state.clock)
            return (entry.frame, place.slot)
        }
    }

    /// A frame, fetched where it is not in memory.
    func frame(
        _ name: FrameName, fetch body: () throws(LifeboatError) -> DecodedFrame
    ) throws(LifeboatError) -> DecodedFrame {
        let (known, fetch, isMine) = state.withLock {
            state -> (DecodedFrame?, Fetch, Bool) in
            if let entry = state.frames[name] { return (entry.frame, Fetch(), false) }
            if let fetch = state.fetches[name] { return (nil, fetch, false) }
            let fetch = Fetch()
            state.fetches[name] = fetch
            return (nil, fetch, true)
        }
        if let known { return known }
        guard isMine else {
            return try condition.withLock { () throws(LifeboatError) in
                while fetch.outcome == nil { condition.wait() }
                guard let outcome = fetch.outcome else {
                    throw LifeboatError(.internalFault, "a frame's fetch has no outcome")
                }
                return try outcome.get()
            }
        }
        let outcome: Result<DecodedFrame, LifeboatError>
        do throws(LifeboatError) {
            outcome = .success(try body())
        } catch {
            outcome = .failure(error)
        }
        state.withLock { state in
            state.fetches[name] = nil
            if case .success(let frame) = outcome { keep(frame, &state) }
        }
        condition.withLock {
            fetch.outcome = outcome
            condition.broadcast()
        }
        return try outcome.get()
    }

    private func keep(_ frame: DecodedFrame, _ state: inout State) {
        state.clock += 1
        state.frames[frame.name] = (frame, state.clock)
        state.byteCount += frame.byteCount
        for (slot, id) in frame.ids.enumerated() {
            if let id { state.places[id] = (frame.name, slot) }
        }
        guard state.byteCount > limit else { return }
        // More than is needed goes at once, so that not every frame looks through all of them.
        let order = state.frames.values.sorted { $0.used < $1.used }
        for entry in order where state.byteCount > limit / 8 * 7 && entry.frame !== frame {
            drop(entry.frame, &state)
        }
    }

    private func drop(_ frame: DecodedFrame, _ state: inout State) {
        guard state.frames.removeValue(forKey: frame.name) != nil else { return }
        state.byteCount -= frame.byteCount
        for id in frame.ids {
            if let id, state.places[id]?.name == frame.name { state.places[id] = nil }
        }
    }

    /// Bytes of memory that its frames take.
    var byteCount: Int { state.withLock { $0.byteCount } }
}
