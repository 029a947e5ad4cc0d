import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatProtocol
import LifeboatStore
import LifeboatSystem

extension Collector {
    /// So many that a store may delete with one request, and that a cancellation waits for.
    private static let batchCount = 100

    func delete(
        _ references: [ObjectReference]
    ) throws(LifeboatError) -> [ObjectReference] {
        var deleted: [ObjectReference] = []
        var failures = 0
        let locking = try lockingStore()
        var rest = references[...]
        while !rest.isEmpty {
            let batch = rest.prefix(Self.batchCount)
            rest = rest.dropFirst(batch.count)
            try cancellation.check()
            if locking == nil,
                (try? repository.store.delete(batch.flatMap(Self.names))) != nil
            {
                deleted += batch
                continue
            }
            // Which of them failed, only single deletions tell.
            for reference in batch {
                try cancellation.check()
                do throws(LifeboatError) {
                    if try isDeleted(reference, locking) { deleted.append(reference) }
                } catch {
                    guard error.code == .denied || error.code == .unavailable else { throw error }
                    if failures == 0 { outcome.notes.append(error.description) }
                    failures += 1
                }
            }
        }
        if failures > 0 {
            outcome.notes.append(
                "\(failures) objects could not be deleted; the next step tries again")
        }
        outcome.deleted = deleted.filter { outcome.sizes[$0] != nil }
        return deleted
    }

    /// What locks objects here, if anything does.
    private func lockingStore() throws(LifeboatError) -> (any ObjectLocking)? {
        guard let locking = repository.store.locking, try locking.locksObjects() else {
            return nil
        }
        return locking
    }

    /// Deletes an object unless it is locked.
    private func isDeleted(
        _ reference: ObjectReference, _ locking: (any ObjectLocking)?
    ) throws(LifeboatError) -> Bool {
        for name in Self.names(reference) {
            guard let locking else {
                try repository.store.delete(name)
                continue
            }
            guard let end = try locking.deleteUnlessLocked(name) else { continue }
            noteLocked(until: end)
            outcome.lockedBytes += outcome.sizes[reference] ?? 0
            return false
        }
        return true
    }

    private func noteLocked(until end: UInt64) {
        outcome.lockedObjects += 1
        outcome.lockedUntil = max(outcome.lockedUntil ?? 0, end)
    }

    /// What an object consists of in the store.
    private static func names(_ reference: ObjectReference) -> [ObjectName] {
        let object = ObjectNames.object(reference)
        guard reference.kind == .pack else { return [object] }
        return [
            object, ObjectNames.damagedMarker(reference.digest),
            ObjectNames.damagedBytes(reference.digest),
        ]
    }

    func truncate(
        _ standing: LogEntry.CheckpointName, _ checkpoint: Checkpoint
    ) throws(LifeboatError) {
        outcome.checkpoint = standing.ordinal
        var cutoffs: [Identifier: UInt64] = [:]
        for log in checkpoint.logs { cutoffs[log.head.incarnation] = log.head.sequence }
        let keepers = repository.roster.members.filter { $0.role == .keeper }.map(\.id)
        var names: [ObjectName] = []
        var sizes: [ObjectName: UInt64] = [:]
        try repository.store.list(ObjectNames.logPrefix) { name, size throws(LifeboatError) in
            let parts = name.path.split(separator: "/")
            guard parts.count == 3, let incarnation = Identifier(hex: parts[1]),
                let sequence = UInt64(parts[2]), let cutoff = cutoffs[incarnation],
                sequence <= cutoff
            else { return }
            let isKeeper = keepers.contains {
                Incarnation.number(of: incarnation, member: $0) != nil
            }
            if isKeeper, LogSearch.isAnchor(sequence, cutoff: cutoff) { return }
            names.append(name)
            sizes[name] = size
        }
        outcome.deletedLogEntries = names.count
        try repository.store.list(ObjectNames.checkpointsPrefix) {
            name, size throws(LifeboatError) in
            if let found = ObjectNames.checkpointName(name), found.ordinal < standing.ordinal {
                names.append(name)
                sizes[name] = size
            }
        }
        names += try oldCheckRecords()
        if let locking = try lockingStore() {
            return try deleteUnlessLocked(names, sizes, locking)
        }
        var rest = names[...]
        while !rest.isEmpty {
            try cancellation.check()
            try repository.store.delete(Array(rest.prefix(Self.batchCount)))
            rest = rest.dropFirst(Self.batchCount)
        }
    }

    private func deleteUnlessLocked(
        _ names: [ObjectName], _ sizes: [ObjectName: UInt64], _ locking: any ObjectLocking
    ) throws(LifeboatError) {
        for name in names {
            try cancellation.check()
            guard let end = try locking.deleteUnlessLocked(name) else { continue }
            noteLocked(until: end)
            outcome.lockedBytes += sizes[name] ?? 0
            if name.path.hasPrefix(ObjectNames.logPrefix) { outcome.deletedLogEntries -= 1 }
        }
    }

    /// How many records of verifications stay.
    static let checkRecordLimit = 64

    func oldCheckRecords() throws(LifeboatError) -> [ObjectName] {
        var names: [ObjectName] = []
        try repository.store.list(ObjectNames.checksPrefix) { name, _ throws(LifeboatError) in
            names.append(name)
        }
        // The names begin with the time.
        return Array(names.sorted { $0.path < $1.path }.dropLast(Self.checkRecordLimit))
    }
}
