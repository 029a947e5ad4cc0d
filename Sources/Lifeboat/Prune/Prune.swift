import LifeboatArchive
public import LifeboatCore
import LifeboatFormat
import LifeboatProtocol
import LifeboatStore
import LifeboatSystem

extension Operations {
    /// One step of collection: condemns what nobody needs, deletes what was condemned and nobody
    /// can rely on any more, and sums up the logs.
    ///
    /// Needs a keeper's keys; with the recovery key besides, dead space inside frames is freed.
    /// - Throws: `.damaged` when logs or block maps are, and then nothing is deleted.
    public func prune(_ options: PruneOptions) throws(LifeboatError) -> PruneResult {
        let start = Clock.monotonicSeconds()
        let repository = try openRepository()
        _ = try repository.requireKeeper()
        _ = try? repository.store.cleanTemporaries()
        repository.directories.cleanLeftovers()
        let outcome = try step(repository, options)
        func bytes(_ references: [ObjectReference]) -> UInt64 {
            references.reduce(0) { $0 + (outcome.sizes[$1] ?? 0) }
        }
        let members = Dictionary(
            uniqueKeysWithValues: repository.roster.members.map { ($0.id, $0) })
        var result = PruneResult()
        result.condemnedObjects = outcome.condemned.count
        result.condemnedBytes = bytes(outcome.condemned)
        result.releasedObjects = outcome.released.count
        result.deletedObjects = outcome.deleted.count
        result.deletedBytes = bytes(outcome.deleted)
        result.waitsFor = outcome.waitsFor.map { waited in
            let member = members.values.first {
                Incarnation.number(of: waited.incarnation, member: $0.id) != nil
            }
            return WaitedSession(
                session: waited.id, member: member?.id ?? waited.incarnation,
                label: member.flatMap { repository.label(of: $0) },
                incarnation: waited.incarnation, since: waited.session.time)
        }
        result.packs = outcome.packs
        result.bytesStored = outcome.bytesStored
        result.bytesLive = outcome.bytesLive
        result.bytesHeld = outcome.bytesHeld
        result.repackedPacks = outcome.repackedPacks
        result.repackedBytes = outcome.repackedBytes
        result.mergedRuns = outcome.mergedRuns
        result.nodesVisited = outcome.nodesVisited
        result.deletedLogEntries = outcome.deletedLogEntries
        result.lockedObjects = outcome.lockedObjects
        result.lockedBytes = outcome.lockedBytes
        result.lockedUntil = outcome.lockedUntil
        if options.extendsLocks, !options.isDryRun {
            result.lockExtension = try extendLocks()
        }
        result.checkpoint = outcome.checkpoint
        result.notes = outcome.notes
        result.durationSeconds = Clock.monotonicSeconds() - start
        return result
    }

    /// How often a step begins anew because another keeper moved what it was reading.
    private static let attempts = 8

    private func step(
        _ repository: Repository, _ options: PruneOptions
    ) throws(LifeboatError) -> Collector.Outcome {
        for _ in 1..<Self.attempts {
            let before = try otherKeepers(repository)
            do throws(LifeboatError) {
                return try attempt(repository, options)
            } catch {
                guard error.code == .damaged || error.code == .missing,
                    try otherKeepers(repository) != before
                else { throw error }
            }
        }
        return try attempt(repository, options)
    }

    private func attempt(
        _ repository: Repository, _ options: PruneOptions
    ) throws(LifeboatError) -> Collector.Outcome {
        let collector = try Collector(
            repository, maximumUnused: options.maximumUnused, events: events,
            cancellation: cancellation)
        return try options.isDryRun ? collector.look() : collector.run()
    }

    /// Where the logs of other keepers end.
    private func otherKeepers(_ repository: Repository) throws(LifeboatError) -> [LogHead] {
        let own = repository.writer?.writer
        return try repository.readLog().ledger.logs.values
            .filter { $0.isKeeper && $0.member != own }
            .map(\.head).sorted { $0.incarnation < $1.incarnation }
    }
}
