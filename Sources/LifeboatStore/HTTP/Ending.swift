internal import LifeboatCore
internal import LifeboatSystem

/// How long a client may go on after the process was asked to end.
///
/// Some requests bring things in order and are worth a little time; a store that is silent must
/// not keep anybody who wants to leave.
final class Ending: Sendable {
    /// From the moment that the wish was noticed, for all requests together.
    static let seconds = 10.0
    /// Without a byte either way.
    static let stall = 3.0

    private let cancellation: Cancellation?
    private let end = Guarded<Double?>(nil)

    /// Without a cancellation nobody ever asks.
    init(_ cancellation: Cancellation? = nil) { self.cancellation = cancellation }

    /// Whether an end was asked for.
    var isNear: Bool { cancellation?.isCancelled == true }

    /// The moment when all must be over; `nil` while nobody asked.
    func moment(now: Double) -> Double? {
        guard isNear else { return nil }
        return end.withLock { end in
            if let end { return end }
            end = now + Self.seconds
            return end
        }
    }
}
