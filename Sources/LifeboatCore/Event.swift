/// A fact that an operation tells while it runs.
///
/// Libraries emit events; the command renders them.
public enum Event: Sendable {
    /// A stage began. `total` is in bytes where it is known.
    case started(stage: String, total: UInt64?)
    /// Bytes of the current stage that are dealt with so far.
    case progress(stage: String, done: UInt64, total: UInt64?)
    /// A stage ended.
    case finished(stage: String)
    /// Something the user must know, though the operation goes on.
    case warning(String)
    /// Something that helps to understand what happens; shown with `--verbose`.
    case note(String)
}

/// Where events go.
///
/// Called from several threads at once.
public protocol EventSink: Sendable {
    func tell(_ event: Event)
}

/// A sink that drops everything.
public struct SilentSink: EventSink {
    public init() {}
    public func tell(_ event: Event) {}
}
