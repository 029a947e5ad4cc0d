import Synchronization

/// A wish that files of settings be read again, asked for by a signal or a caller.
public final class Rereading: Sendable {
    private let counter = Atomic<Int>(0)

    public init() {}

    /// Asks for it.
    ///
    /// May be called from any thread, and more than once.
    public func ask() { counter.add(1, ordering: .relaxed) }

    /// How often it was asked for.
    public var count: Int { counter.load(ordering: .relaxed) }
}
