import LifeboatCodec
public import LifeboatCore
import LifeboatFormat
import LifeboatProtocol
public import LifeboatStore
import LifeboatSystem

/// Puts back objects that are damaged or missing, from replicas that have them whole.
///
/// Nothing is put that its name, a digest or a signature does not prove to be right, and no pack,
/// run or body that the logs do not name: what was deleted stays deleted.
public final class ObjectRepair {
    private let repository: Repository
    private let replicas: [(name: String, repository: Repository)]

    /// - `stores`: replicas by name; those that cannot be opened, or are of another repository, are
    ///   left out and told.
    public init(
        _ repository: Repository, from stores: [(record: ReplicaRecord, store: any ObjectStore)],
        unusable: (LifeboatError) -> Void
    ) {
        self.repository = repository
        var replicas: [(name: String, repository: Repository)] = []
        for (record, store) in stores {
            do throws(LifeboatError) {
                let replica = try Repository.open(store, secret: nil, recovery: nil) {
                    _ throws(LifeboatError) in try repository.directories.ofReplica(record.name)
                }
                guard replica.id == repository.id, replica.configurations.hasRoot(record.rootKey)
                else {
                    throw LifeboatError(
                        .refused, "this is no replica of the repository", subject: record.location)
                }
                replicas.append((record.name, replica))
            } catch {
                unusable(error)
            }
        }
        self.replicas = replicas
    }

    /// Puts the right bytes in the place of a damaged or missing object.
    ///
    /// Returns the replica that had them; `nil` when none has, when the object is in order, or
    /// when nobody needs it.
    public func repair(_ subject: String) throws(LifeboatError) -> String? {
        guard let name = ObjectName(validating: subject), try isWanted(name) else { return nil }
        if let present = try bytes(name, repository.store), isRight(present, name) {
            // A repair that was interrupted may have left the marker.
            try clearMarkers(name)
            return nil
        }
        for (replica, place) in replicas {
            guard let found = try? bytes(name, place.store), isRight(found, name) else { continue }
            try repository.store.replace(name, bytes: found)
            // A keeper may have deleted it meanwhile: then it is deleted again.
            guard try isWanted(name) else {
                try repository.store.delete(name)
                return nil
            }
            try clearMarkers(name)
            return replica
        }
        return nil
    }

    private func clearMarkers(_ name: ObjectName) throws(LifeboatError) {
        guard name.path.hasPrefix(ObjectNames.packsPrefix), let pack = ObjectNames.digest(name)
        else { return }
        try repository.store.delete(ObjectNames.damagedMarker(pack))
        try repository.store.delete(ObjectNames.damagedBytes(pack))
    }

    /// All logs, compared also with what the replicas have of them: what the repository lacks of
    /// that is a problem.
    public func readLog() throws(LifeboatError) -> LogView {
        var heads: [LogHead] = []
        for (_, place) in replicas { heads += (try? ReplicaSight(place.store))?.view?.heads ?? [] }
        return try repository.readLog(comparing: heads)
    }

    private func bytes(
        _ name: ObjectName, _ store: any ObjectStore
    ) throws(LifeboatError) -> [UInt8]? {
        do throws(LifeboatError) {
            return try store.get(name, limit: Envelope.byteLimit)
        } catch {
            guard error.code == .missing || error.code == .damaged else { throw error }
            return nil
        }
    }

    private func kind(_ name: ObjectName) -> String {
        (name.path.split(separator: "/").first.map(String.init) ?? "") + "/"
    }

    /// Whether the logs name it and nobody has doomed it.
    private func isWanted(_ name: ObjectName) throws(LifeboatError) -> Bool {
        switch kind(name) {
        case ObjectNames.logPrefix, ObjectNames.checkpointsPrefix, ObjectNames.keysPrefix:
            return true
        case ObjectNames.packsPrefix, ObjectNames.indexPrefix, ObjectNames.pointsPrefix: break
        default: return false
        }
        guard let digest = ObjectNames.digest(name) else { return false }
        let ledger = try repository.readLog().ledger
        return ReplicaSync.needed(ledger).contains { $0.digest == digest }
    }

    /// Whether bytes are those that belong under a name.
    private func isRight(_ bytes: [UInt8], _ name: ObjectName) -> Bool {
        switch kind(name) {
        case ObjectNames.logPrefix:
            let parts = name.path.split(separator: "/")
            guard parts.count == 3, let incarnation = Identifier(hex: parts[1]),
                let sequence = UInt64(parts[2])
            else { return false }
            return
                (try? LogFetcher.check(
                    bytes, name, incarnation, sequence, repository.id, repository.roster)) != nil
        case ObjectNames.keysPrefix:
            guard
                let envelope = try? Envelope(
                    .keySlot, decoding: bytes, isSigned: false, subject: name.path),
                let slot = try? KeySlot(payload: envelope.payload)
            else { return false }
            return ObjectNames.keySlot(slot.id) == name
        case ObjectNames.checkpointsPrefix:
            guard let checkpoint = ObjectNames.checkpointName(name) else { return false }
            return SHA256Hash.digest(bytes) == checkpoint.digest
        default: return SHA256Hash.digest(bytes) == ObjectNames.digest(name)
        }
    }
}
