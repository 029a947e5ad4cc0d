public import LifeboatCore
import LifeboatFormat
public import LifeboatStore

extension Repository {
    /// Marks of damage come and go.
    private static let unlockedPrefixes = [ObjectNames.damagedPrefix]

    /// `store`, such that it locks what is put as the configuration wants it, or refuses puts.
    static func locking(
        _ store: any ObjectStore, _ configuration: Configuration
    ) -> any ObjectStore {
        guard configuration.lockDuration > 0 else { return store }
        guard let locking = store.locking else { return UnlockedCopy(store) }
        locking.lockPuts(
            LockRule(
                duration: configuration.lockDuration, exemptPrefixes: unlockedPrefixes))
        return store
    }

    /// What locks the objects of this repository.
    /// - Throws: `.unsupported` where nothing does.
    public func requireLocking() throws(LifeboatError) -> any ObjectLocking {
        if let locking = store.locking, try locking.locksObjects() { return locking }
        throw LifeboatError(
            .unsupported, "this store does not lock objects", subject: store.location,
            advice: "an immutable repository is made with: lifeboat init --immutable")
    }
}
