import LifeboatCore
import LifeboatSystem

/// Frames as the store gave them, in a file of the cache directory; bounded by bytes.
///
/// They stay sealed, so that nothing of a volume lies open on the disk, and who reads one opens it
/// and checks its chunks as if it came from the store. The file has no name: it ends with the
/// process. The oldest are overwritten first. Safe from many threads.
final class SealedFrameCache: Sendable {
    private struct Place {
        var offset: UInt64
        var length: Int
    }

    private struct State {
        var places: [FrameName: Place] = [:]
        /// Names by age; some were dropped.
        var order: [(name: FrameName, offset: UInt64)] = []
        var first = 0
        var next: UInt64 = 0
        /// Frames being read or written, whose places must not be given away.
        var users: [UInt64: Int] = [:]
        var isBroken = false
    }

    private let file: File
    private let limit: UInt64
    private let state = Guarded(State())

    /// `nil` where no file can be made: then frames are fetched as often as needed.
    ///
    /// `limit`: bytes of disk.
    init?(directory: String, limit: UInt64) {
        guard limit > 0, (try? Files.makeDirectories(directory)) != nil else { return nil }
        let path = directory + "/serve-" + Identifier.random().hex + ".tmp"
        guard let file = try? File(path: path, access: .createNew),
            (try? Files.remove(path)) != nil
        else { return nil }
        self.file = file
        self.limit = limit
    }

    /// Keeps a frame's sealed bytes.
    func keep(_ name: FrameName, _ bytes: UnsafeRawBufferPointer) {
        let place = state.withLock { state -> Place? in
            guard !state.isBroken, state.places[name] == nil, UInt64(bytes.count) <= limit else {
                return nil
            }
            return reserve(name, bytes.count, &state)
        }
        guard let place else { return }
        let isWritten = (try? file.write(at: place.offset, bytes)) != nil
        state.withLock { state in
            leave(place, &state)
            if isWritten { return }
            // A full disk here must not end the serving.
            state.isBroken = true
            state.places = [:]
        }
    }

    /// Makes room at `next`, dropping what lies there; `nil` when somebody uses it.
    private func reserve(_ name: FrameName, _ count: Int, _ state: inout State) -> Place? {
        var offset = state.next
        if offset + UInt64(count) > limit { offset = 0 }
        let end = offset + UInt64(count)
        // The oldest entries lie right behind `next`; those that the new one would touch go.
        var first = state.first
        while first < state.order.count {
            let (old, start) = state.order[first]
            guard let place = state.places[old], place.offset == start else {
                first += 1
                continue
            }
            let isPassed = offset < state.next && start >= state.next
            guard isPassed || start < end && start + UInt64(place.length) > offset else { break }
            guard state.users[start] == nil else { return nil }
            state.places[old] = nil
            first += 1
        }
        state.first = first
        if state.first > 4096, state.first * 2 > state.order.count {
            state.order.removeFirst(state.first)
            state.first = 0
        }
        let place = Place(offset: offset, length: count)
        state.places[name] = place
        state.order.append((name, offset))
        state.next = end
        state.users[offset] = 1
        return place
    }

    private func leave(_ place: Place, _ state: inout State) {
        guard let count = state.users[place.offset] else { return }
        state.users[place.offset] = count > 1 ? count - 1 : nil
    }

    /// Gives back a frame that was kept; false when it is not here.
    func read(_ name: FrameName, into target: UnsafeMutableRawBufferPointer) -> Bool {
        let place = state.withLock { state -> Place? in
            guard let place = state.places[name], place.length == target.count else { return nil }
            state.users[place.offset, default: 0] += 1
            return place
        }
        guard let place else { return false }
        let got = try? file.read(at: place.offset, into: target)
        state.withLock { leave(place, &$0) }
        return got == target.count
    }

    /// Drops a frame of which something turned out wrong.
    func drop(_ name: FrameName) { state.withLock { $0.places[name] = nil } }

    /// How many frames are kept.
    var count: Int { state.withLock { $0.places.count } }

    /// Bytes of disk that the file takes at most by now.
    var byteCount: UInt64 { (try? file.size()) ?? 0 }

    /// Changes all that is kept, as a failing disk would.
    ///
    /// For tests.
    func damage() {
        let places = state.withLock { Array($0.places.values) }
        for place in places {
            let byte: [UInt8] = [0xA5, 0x5A, 0xA5, 0x5A]
            _ = try? byte.withBytes { raw throws(LifeboatError) in
                try file.write(at: place.offset + UInt64(place.length / 2), raw)
            }
        }
    }
}
