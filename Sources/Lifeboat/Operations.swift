public import LifeboatArchive
import LifeboatCodec
public import LifeboatCore
import LifeboatStore

/// The operations of the `lifeboat` command, one function each.
///
/// All block until they are done, tell events while they run, and stop with `.cancelled` soon
/// after `cancellation` was asked for.
public struct Operations: Sendable {
    public let access: RepositoryAccess
    public let events: any EventSink
    public let cancellation: Cancellation
    /// Used instead of opening the repository of `access`.
    let opened: Repository?

    public init(
        access: RepositoryAccess, events: any EventSink = SilentSink(),
        cancellation: Cancellation = Cancellation()
    ) {
        self.access = access
        self.events = events
        self.cancellation = cancellation
        opened = nil
    }

    /// Operations on a repository that is open already.
    public init(
        on repository: Repository, events: any EventSink = SilentSink(),
        cancellation: Cancellation = Cancellation()
    ) {
        access = RepositoryAccess(
            location: repository.store.location, secret: .none,
            stateDirectory: repository.directories.state,
            cacheDirectory: repository.directories.cache)
        self.events = events
        self.cancellation = cancellation
        opened = repository
    }
}
