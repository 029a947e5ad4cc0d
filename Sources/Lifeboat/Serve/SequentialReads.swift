import LifeboatSystem

/// Finds out who reads a volume in order, from reads that come from many threads. Safe from many
/// threads.
final class SequentialReads: Sendable {
    private struct Stream {
        var end: UInt64
        /// Bytes that were read in order.
        var length: UInt64
        /// How far it was read ahead.
        var ahead: UInt64
        var used: UInt64
    }

    private struct State {
        var streams: [Stream] = []
        var clock: UInt64 = 0
    }

    private static let streamLimit = 16
    /// After so many bytes in order more is expected.
    private static let beginning: UInt64 = 256 << 10
    /// Requests that are under way at the same time come in any order.
    private static let slack: UInt64 = 4 << 20

    private let window: UInt64
    private let state = Guarded(State())

    /// `window`: bytes that are read ahead.
    init(window: UInt64) { self.window = window }

    /// Notes a read, and tells what should be read ahead because of it.
    func note(offset: UInt64, count: UInt64) -> Range<UInt64>? {
        state.withLock { state in
            state.clock += 1
            let end = offset + count
            guard
                let index = state.streams.firstIndex(where: { stream in
                    offset <= stream.end + Self.slack && end + Self.slack >= stream.end
                })
            else {
                if state.streams.count >= Self.streamLimit,
                    let oldest = state.streams.indices.min(by: {
                        state.streams[$0].used < state.streams[$1].used
                    })
                {
                    state.streams.remove(at: oldest)
                }
                state.streams.append(Stream(end: end, length: 0, ahead: end, used: state.clock))
                return nil
            }
            var stream = state.streams[index]
            stream.used = state.clock
            // What is not behind the end goes back, or is read again.
            if end > stream.end {
                stream.length += min(count, end - stream.end)
                stream.end = end
            }
            stream.ahead = max(stream.ahead, stream.end)
            defer { state.streams[index] = stream }
            guard stream.length >= Self.beginning, stream.ahead < stream.end + window / 2 else {
                return nil
            }
            let from = stream.ahead
            stream.ahead = stream.end + window
            return from..<stream.ahead
        }
    }
}
