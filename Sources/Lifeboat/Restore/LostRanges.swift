import LifeboatCore
import LifeboatSystem

/// What of a volume cannot be restored, gathered from many threads.
final class LostRanges: Sendable {
    private struct State {
        var extents: [Extent] = []
        var fault: LifeboatError?
        var byteCount: UInt64 = 0
    }

    private let state = Guarded(State())
    private let volume: String

    init(volume: String) { self.volume = volume }

    func add(_ extent: Extent, _ fault: LifeboatError) {
        state.withLock { state in
            if state.fault == nil { state.fault = fault }
            state.byteCount += extent.length
            state.extents.append(extent)
        }
    }

    /// An error that says what is lost and what is not; `nil` when nothing is.
    func error(target: String) -> LifeboatError? {
        state.withLock { state -> LifeboatError? in
            guard let fault = state.fault else { return nil }
            var joined: [Extent] = []
            for extent in state.extents.sorted() {
                if let last = joined.last, extent.offset <= last.end {
                    joined[joined.count - 1].length = max(last.end, extent.end) - last.offset
                } else {
                    joined.append(extent)
                }
            }
            let shown = joined.prefix(8).map { "\($0.offset) to \($0.end)" }
            let more = joined.count > 8 ? " and \(joined.count - 8) ranges more" : ""
            return LifeboatError(
                .damaged,
                "\(state.byteCount) bytes of volume \(volume) cannot be restored: bytes "
                    + shown.joined(separator: ", ") + more,
                subject: fault.subject, cause: fault.message,
                advice: "everything else of it is in \(target)"
                    + (fault.advice.map { "; \($0)" } ?? ""))
        }
    }
}
