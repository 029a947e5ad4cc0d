import LifeboatArchive
public import LifeboatCore
import LifeboatFormat
import LifeboatStore
import LifeboatSystem

extension Operations {
    /// Begins a replica at a place that holds nothing yet, and remembers it on this host.
    ///
    /// Nothing is copied before it is brought up to date.
    /// - Throws: `.exists` when the name is taken, `.refused` when the place holds something else.
    public func addReplica(
        _ options: ReplicaOptions
    ) throws(LifeboatError) -> ReplicaSummary {
        guard ReplicaRecord.isName(options.name) else {
            throw LifeboatError(
                .usage, "a replica's name has up to 64 of a-z, 0-9, '-', '_' and '.'",
                subject: options.name)
        }
        let repository = try openRepository()
        let records = try ReplicaRecord.all(repository.directories)
        if records.contains(where: { $0.name == options.name }) {
            throw LifeboatError(
                .exists, "there is a replica of this name", subject: options.name)
        }
        let store = try access.store(at: options.location, makes: true, cancellation: cancellation)
        var record = ReplicaRecord(
            name: options.name, location: store.location,
            rootKey: repository.configuration.rootKey)
        record.machines = options.machines
        record.tags = options.tags
        if let other = records.first(where: { $0.location == record.location }) {
            throw LifeboatError(
                .exists, "this place is replica \(other.name) already", subject: record.location)
        }
        try repository.beginReplica(at: store)
        try record.save(repository.directories)
        return ReplicaSummary(record)
    }

    /// The replicas that this host knows of.
    public func replicas() throws(LifeboatError) -> [ReplicaSummary] {
        try ReplicaRecord.all(try openRepository().directories).map { ReplicaSummary($0) }
    }

    /// Forgets a replica; what is there stays.
    public func removeReplica(_ name: String) throws(LifeboatError) -> ReplicaSummary {
        let repository = try openRepository()
        let record = try Self.replica(name, repository)
        let lock = try record.lock(repository.directories)
        defer { withExtendedLifetime(lock) {} }
        try record.remove(repository.directories)
        return ReplicaSummary(record)
    }

    /// Brings one replica up to date, or all that this host knows of.
    ///
    /// Needs no key, except for replicas that take only some of the points. Of several, one that
    /// fails does not keep the others from being brought up to date: its error is in its result.
    public func syncReplicas(
        _ name: String?, _ options: ReplicaSyncOptions
    ) throws(LifeboatError) -> [ReplicaSyncResult] {
        let repository = try openRepository()
        let records: [ReplicaRecord]
        if let name {
            records = [try Self.replica(name, repository)]
        } else {
            records = try ReplicaRecord.all(repository.directories)
        }
        guard !records.isEmpty else {
            throw LifeboatError(
                .missing, "this host knows of no replica", subject: repository.store.location,
                advice: "add one with: lifeboat replica add NAME LOCATION")
        }
        var results: [ReplicaSyncResult] = []
        for record in records {
            let start = Clock.monotonicSeconds()
            var result = ReplicaSyncResult(replica: ReplicaSummary(record))
            do throws(LifeboatError) {
                try sync(repository, record, options, &result)
            } catch {
                guard records.count > 1, error.code != .cancelled else { throw error }
                result.failure = error
            }
            result.durationSeconds = Clock.monotonicSeconds() - start
            results.append(result)
        }
        return results
    }

    private func sync(
        _ repository: Repository, _ record: ReplicaRecord, _ options: ReplicaSyncOptions,
        _ result: inout ReplicaSyncResult
    ) throws(LifeboatError) {
        let lock = try record.lock(repository.directories)
        defer { withExtendedLifetime(lock) {} }
        let store = try access.store(at: record.location, cancellation: cancellation)
        _ = try? store.cleanTemporaries()
        var settings = ReplicaSync.Options()
        settings.threads = options.threads
        settings.memory = options.memory
        settings.isDryRun = options.isDryRun
        settings.asksForAll = options.asksForAll
        settings.acceptsDamage = options.acceptsDamage
        let sync = try ReplicaSync(
            repository, to: store, record, options: settings, events: events,
            cancellation: cancellation)
        let outcome = try sync.run()
        result.view = outcome.view
        result.points = outcome.points
        result.absentPoints = outcome.absentPoints
        result.packsCopied = outcome.packsCopied
        result.objectsCopied = outcome.objectsCopied
        result.entriesCopied = outcome.entriesCopied
        result.bytesCopied = outcome.bytesCopied
        result.deletedObjects = outcome.deletedObjects
        result.deletedBytes = outcome.deletedBytes
        result.isComplete = outcome.isComplete
        result.damaged = outcome.damaged
        result.notes = outcome.notes
    }

    /// Makes a repository of the replica that `access` names; returns how many log entries went
    /// that were not complete.
    public func promoteReplica() throws(LifeboatError) -> Int {
        try openRepository().promote()
    }

    /// The replica of this name.
    static func replica(
        _ name: String, _ repository: Repository
    ) throws(LifeboatError) -> ReplicaRecord {
        let records = try ReplicaRecord.all(repository.directories)
        guard let record = records.first(where: { $0.name == name }) else {
            throw LifeboatError(
                .missing, "this host knows of no replica of this name", subject: name,
                advice: "list them with: lifeboat replica list")
        }
        return record
    }
}
