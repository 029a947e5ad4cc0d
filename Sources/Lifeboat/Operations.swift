import LifeboatCodec
public import LifeboatCore

/// The operations of the `lifeboat` command, one function each.
///
/// All block until they are done, tell events while they run, and stop with `.cancelled` soon
/// after `cancellation` was asked for.
public struct Operations: Sendable {
    public let access: RepositoryAccess
    public let events: any EventSink
    public let cancellation: Cancellation

    public init(
        access: RepositoryAccess, events: any EventSink = SilentSink(),
        cancellation: Cancellation = Cancellation()
    ) {
        self.access = access
        self.events = events
        self.cancellation = cancellation
    }
}
