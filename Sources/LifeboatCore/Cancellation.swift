import Synchronization

/// A wish to stop, asked for by a signal or a caller and looked at between pieces of work.
public final class Cancellation: Sendable {
    private let flag = Atomic<Bool>(false)

    public init() {}

    /// Asks for an end.
    ///
    /// May be called from any thread, and more than once.
    public func cancel() { flag.store(true, ordering: .relaxed) }

    public var isCancelled: Bool { flag.load(ordering: .relaxed) }

    /// Throws `.cancelled` if an end was asked for.
    public func check() throws(LifeboatError) {
        if isCancelled { throw LifeboatError(.cancelled, "interrupted") }
    }
}
