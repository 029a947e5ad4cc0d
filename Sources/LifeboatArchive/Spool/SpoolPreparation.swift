public import LifeboatCore
import LifeboatFormat
import LifeboatStore

extension Spool {
    /// Lets the replica have the nodes of a point that was sent and that others build on, until it
    /// is brought up to date: nobody may get so far.
    func keepNodes(of record: SpoolRecord) throws(LifeboatError) {
        for pack in record.packs {
            let name = ObjectNames.pack(pack)
            guard try outbox.size(name) != nil else { continue }
            var head = [UInt8](repeating: 0, count: PackLayout.headerByteCount)
            _ = try head.withMutableBytes { raw throws(LifeboatError) in
                try outbox.read(name, at: 0, into: raw)
            }
            guard let header = try? PackHeader(decoding: head, subject: name.path),
                header.content == .metadata
            else { continue }
            try ReplicaSync.put(
                name, try outbox.get(name, limit: PackLayout.byteLimit), to: replica)
        }
    }

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
