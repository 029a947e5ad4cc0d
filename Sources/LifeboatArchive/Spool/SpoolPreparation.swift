public import LifeboatCore

extension Spool {
    /// Brings what a backup must read up to date, for when the store cannot be reached.
    ///
    /// While the lock is held. Returns what the repository had lost: then nothing changed.
    public func prepare(
        _ repository: Repository, events: any EventSink, cancellation: Cancellation
    ) throws(LifeboatError) -> [LifeboatError] {
        try claim(repository)
        var options = ReplicaSync.Options()
        options.memory = 128 << 20
        return try ReplicaSync(
            repository, self, options: options, events: events, cancellation: cancellation
        ).run().damaged
    }
}
