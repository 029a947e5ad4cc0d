import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatProtocol
import LifeboatStore
import LifeboatSystem

/// Fetches log entries and checkpoints and checks them.
///
/// Keeps those it has had: entries never change. Safe from many threads.
final class LogFetcher: Sendable {
    private struct Place: Hashable {
        let incarnation: Identifier
        let sequence: UInt64
    }

    private struct State: Sendable {
        var entries: [Place: VerifiedEntry] = [:]
        var checkpoints: [Digest: Checkpoint] = [:]
        /// The newest that was read.
        var roster: Roster?
        /// What was wrong with an object, by its name.
        var faults: [String: LifeboatError] = [:]
    }

    private let state = Guarded(State())

    /// Keeps a checkpoint, and drops the entries that it covers: nobody asks for them any more.
    private func keep(_ checkpoint: Checkpoint, _ name: LogEntry.CheckpointName) {
        var covered: [Identifier: UInt64] = [:]
        for log in checkpoint.logs { covered[log.head.incarnation] = log.head.sequence }
        state.withLock { state in
            state.checkpoints = [name.digest: checkpoint]
            state.entries = state.entries.filter { place, _ in
                place.sequence >= covered[place.incarnation] ?? 0
            }
        }
    }

    /// Fetches what `request` asks for.
    ///
    /// - Throws: what the store says, except that something is missing or damaged.
    func fetch(
        _ request: LogReading.Request, _ repository: Repository, _ roster: Roster
    ) throws(LifeboatError) -> LogReading.Reply {
        let known = state.withLock { $0.roster }
        let roster = known.map { $0.number > roster.number ? $0 : roster } ?? roster
        return switch request {
        case .roster:
            .roster(try newestRoster(repository))
        case .entry(let incarnation, let sequence):
            try entry(Place(incarnation: incarnation, sequence: sequence), repository, roster)
        case .checkpoint(let name): try checkpoint(name, repository, roster)
        }
    }

    /// Entries of a log that are fetched before they are asked for, at most.
    private static let aheadCount = 1024

    /// Fetches entries that a listing shows, several at once, where each waits for a network.
    ///
    /// Those at the ends of logs, without a gap: what a checkpoint covers is mostly deleted. An entry
    /// is the same whenever it is read; what is not there now is asked for again in its turn.
    func fetchAhead(
        _ listed: [Identifier: Set<UInt64>], _ repository: Repository, _ roster: Roster
    ) {
        guard repository.store.parallelRequests > 1 else { return }
        var places: [Place] = []
        for (incarnation, sequences) in listed {
            guard var sequence = sequences.max() else { continue }
            var count = 0
            while sequences.contains(sequence), count < Self.aheadCount {
                places.append(Place(incarnation: incarnation, sequence: sequence))
                count += 1
                guard sequence > 1 else { break }
                sequence -= 1
            }
        }
        let missing = state.withLock { state in places.filter { state.entries[$0] == nil } }
        _ = repository.store.inParallel(missing.count, name: "log") {
            [self] number throws(LifeboatError) in
            let place = missing[number]
            let name = ObjectNames.logEntry(place.incarnation, place.sequence)
            let verified = try repository.store.get(name, limit: Envelope.byteLimit) {
                bytes throws(LifeboatError) in
                try Self.check(
                    bytes, name, place.incarnation, place.sequence, repository.id, roster)
            }
            state.withLock { $0.entries[place] = verified }
        }
    }

    private func newestRoster(_ repository: Repository) throws(LifeboatError) -> Roster {
        let roster = try repository.freshRoster()
        state.withLock { $0.roster = roster }
        return roster
    }

    /// What was wrong with the object of this name.
    func fault(_ name: ObjectName) -> LifeboatError? { state.withLock { $0.faults[name.path] } }

    private func entry(
        _ place: Place, _ repository: Repository, _ roster: Roster
    ) throws(LifeboatError) -> LogReading.Reply {
        if let known = state.withLock({ $0.entries[place] }) { return .entry(known) }
        let name = ObjectNames.logEntry(place.incarnation, place.sequence)
        do throws(LifeboatError) {
            let verified = try repository.store.get(name, limit: Envelope.byteLimit) {
                bytes throws(LifeboatError) in
                try Self.check(
                    bytes, name, place.incarnation, place.sequence, repository.id, roster)
            }
            state.withLock { $0.entries[place] = verified }
            return .entry(verified)
        } catch {
            return try reply(to: error, name)
        }
    }

    static func check(
        _ bytes: [UInt8], _ name: ObjectName, _ incarnation: Identifier, _ sequence: UInt64,
        _ repository: Identifier, _ roster: Roster
    ) throws(LifeboatError) -> VerifiedEntry {
        let envelope = try Envelope(.logEntry, decoding: bytes, isSigned: true, subject: name.path)
        let entry = try LogEntry(payload: envelope.payload, subject: name.path)
        guard entry.repository == repository, entry.incarnation == incarnation,
            entry.sequence == sequence,
            Incarnation.number(of: incarnation, member: entry.member) != nil
        else {
            throw LifeboatError(
                .damaged, "the log entry belongs to another place", subject: name.path)
        }
        guard let member = roster.member(entry.member),
            member.role == .keeper || member.domain == entry.domain,
            Signature.isValid(
                envelope.signature, of: envelope.signedBytes, by: member.publicKey)
        else {
            throw LifeboatError(
                .damaged, "the log entry is not signed by a writer of this repository",
                subject: name.path)
        }
        guard member.role == .keeper ? entry.body.isZero : !entry.needsKeeper else {
            throw LifeboatError(
                .damaged,
                "the log entry says what only \(entry.needsKeeper ? "keepers" : "writers") may say",
                subject: name.path, advice: "revoke \(entry.member.short), whose key signed it")
        }
        return VerifiedEntry(id: SHA256Hash.digest(bytes), entry: entry)
    }

    private func checkpoint(
        _ name: LogEntry.CheckpointName, _ repository: Repository, _ roster: Roster
    ) throws(LifeboatError) -> LogReading.Reply {
        if let known = state.withLock({ $0.checkpoints[name.digest] }) {
            return .checkpoint(known)
        }
        let object = ObjectNames.checkpoint(name)
        let cached = repository.directories.checkpoints + "/" + name.digest.hex
        if let bytes = try? Files.readWhole(cached, limit: Envelope.byteLimit),
            let found = try? Self.check(bytes, name, object, repository.id, roster)
        {
            keep(found, name)
            return .checkpoint(found)
        }
        do throws(LifeboatError) {
            let (checkpoint, bytes) = try repository.store.get(object, limit: Envelope.byteLimit) {
                bytes throws(LifeboatError) in
                (try Self.check(bytes, name, object, repository.id, roster), bytes)
            }
            keep(checkpoint, name)
            // Only the newest is of use; a cache that cannot be written costs time.
            for old in (try? Files.list(repository.directories.checkpoints)) ?? [] {
                try? Files.remove(repository.directories.checkpoints + "/" + old)
            }
            try? Files.writeAtomically(cached, bytes)
            return .checkpoint(checkpoint)
        } catch {
            return try reply(to: error, object)
        }
    }

    /// What it means that an object could not be read.
    private func reply(
        to error: LifeboatError, _ name: ObjectName
    ) throws(LifeboatError) -> LogReading.Reply {
        switch error.code {
        case .missing: return .missing
        case .damaged:
            state.withLock { $0.faults[name.path] = error }
            return .damaged
        default: throw error
        }
    }

    static func check(
        _ bytes: [UInt8], _ name: LogEntry.CheckpointName, _ object: ObjectName,
        _ repository: Identifier, _ roster: Roster
    ) throws(LifeboatError) -> Checkpoint {
        guard SHA256Hash.digest(bytes) == name.digest else {
            throw LifeboatError(
                .damaged, "the checkpoint is not what its name says", subject: object.path)
        }
        let envelope = try Envelope(
            .checkpoint, decoding: bytes, isSigned: true, subject: object.path)
        let checkpoint = try Checkpoint(payload: envelope.payload, subject: object.path)
        guard checkpoint.repository == repository, checkpoint.ordinal == name.ordinal,
            let member = roster.member(checkpoint.member), member.role == .keeper,
            Signature.isValid(
                envelope.signature, of: envelope.signedBytes, by: member.publicKey)
        else {
            throw LifeboatError(
                .damaged, "the checkpoint is not signed by a keeper of this repository",
                subject: object.path)
        }
        return checkpoint
    }
}
