import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatProtocol
import LifeboatStore
import LifeboatSystem

extension ReplicaSync {
    /// An object of the replica, by its listing.
    struct Listed: Sendable {
        let name: ObjectName
        let byteCount: UInt64
    }

    /// Shows what was copied, with one put; false when another host showed something meanwhile.
    func show(
        _ log: LogView, _ plan: Plan, _ sight: ReplicaSight, _ number: UInt64
    ) throws(LifeboatError) -> Bool {
        try markDamaged()
        let view = ReplicaView(
            repository: source.id, number: number + 1, time: Clock.milliseconds(),
            heads: log.ledger.heads, absentPoints: plan.absentPoints.sorted(),
            absentPacks: plan.absentPacks.sorted())
        if let old = sight.view, old.heads == view.heads, number > 0,
            old.absentPoints == view.absentPoints, old.absentPacks == view.absentPacks
        {
            outcome.view = number
            return true
        }
        let name = ObjectNames.replicaView(view.number)
        do throws(LifeboatError) {
            try target.put(name, bytes: Envelope.unsigned(.replicaView, view.payload))
        } catch {
            guard error.code == .exists else { throw error }
            return false
        }
        outcome.view = view.number
        return true
    }

    /// Says at the replica which packs its source had lost when it was told to go on without.
    private func markDamaged() throws(LifeboatError) {
        for fault in outcome.damaged {
            guard let subject = fault.subject, subject.hasPrefix(ObjectNames.packsPrefix),
                let name = ObjectName(validating: subject), let pack = ObjectNames.digest(name)
            else { continue }
            do throws(LifeboatError) {
                try target.put(
                    ObjectNames.damagedMarker(pack), bytes: Array("lost at the source\n".utf8))
            } catch {
                guard error.code == .exists else { throw error }
            }
        }
    }

    // MARK: sweeping

    /// What lies at the replica, before the source's logs are read.
    func list() throws(LifeboatError) -> [Listed] {
        var result: [Listed] = []
        for prefix in [
            ObjectNames.packsPrefix, ObjectNames.indexPrefix, ObjectNames.pointsPrefix,
            ObjectNames.logPrefix, ObjectNames.checkpointsPrefix, ObjectNames.replicaPrefix,
        ] {
            try target.list(prefix) { name, size throws(LifeboatError) in
                result.append(Listed(name: name, byteCount: size))
            }
        }
        return result
    }

    /// Deletes of what was listed before the source was read whatever the source does not name:
    /// it was deleted there, and its name is never used again.
    func sweep(
        _ log: LogView, _ plan: Plan, _ listed: [Listed]
    ) throws(LifeboatError) {
        let ledger = log.ledger
        // Nobody knows yet which decisions of a suspended keeper count.
        guard !ledger.isKeeperInDoubt else { return }
        var named = Set(ledger.packs.keys.map { ObjectReference(.pack, $0) })
        named.subtract(plan.absentPacks.map { ObjectReference(.pack, $0) })
        named.formUnion(ledger.runs.keys.map { ObjectReference(.indexRun, $0) })
        let absent = Set(plan.absentPoints)
        for point in ledger.allPoints.values where !absent.contains(point.id) {
            named.insert(ObjectReference(.pointBody, point.body))
        }
        for object in listed where isGarbage(object.name, log, named) {
            try cancellation.check()
            try target.delete(object.name)
            if object.name.path.hasPrefix(ObjectNames.packsPrefix),
                let pack = ObjectNames.digest(object.name)
            {
                try target.delete(ObjectNames.damagedMarker(pack))
                try target.delete(ObjectNames.damagedBytes(pack))
            }
            outcome.deletedObjects += 1
            outcome.deletedBytes += object.byteCount
        }
    }

    private func isGarbage(
        _ name: ObjectName, _ log: LogView, _ named: Set<ObjectReference>
    ) -> Bool {
        let parts = name.path.split(separator: "/")
        guard let prefix = parts.first.map({ $0 + "/" }) else { return false }
        let kinds: [String: ObjectReference.Kind] = [
            ObjectNames.packsPrefix: .pack, ObjectNames.indexPrefix: .indexRun,
            ObjectNames.pointsPrefix: .pointBody,
        ]
        if let kind = kinds[String(prefix)] {
            guard let digest = ObjectNames.digest(name) else { return false }
            let reference = ObjectReference(kind, digest)
            return ObjectNames.object(reference) == name && !named.contains(reference)
        }
        switch String(prefix) {
        case ObjectNames.logPrefix:
            guard parts.count == 3, let incarnation = Identifier(hex: parts[1]),
                let sequence = UInt64(parts[2]),
                let cutoff = log.checkpointHeads[incarnation]?.sequence, sequence <= cutoff
            else { return false }
            let isKeeper = source.roster.members.contains {
                $0.role == .keeper && Incarnation.number(of: incarnation, member: $0.id) != nil
            }
            return !isKeeper || !LogSearch.isAnchor(sequence, cutoff: cutoff)
        case ObjectNames.checkpointsPrefix:
            guard let found = ObjectNames.checkpointName(name), let base = log.ledger.base else {
                return false
            }
            return found.ordinal < base.ordinal
        case ObjectNames.replicaPrefix:
            guard let number = UInt64(parts.last ?? ""), outcome.view > 1 else { return false }
            return number < outcome.view
                && !LogSearch.isAnchor(number, cutoff: outcome.view - 1)
        default: return false
        }
    }

    /// Notes here how far the replica is.
    func remember(_ log: LogView) throws(LifeboatError) {
        try HostMemoryFile.save(log.ledger.heads, local)
        var record = record
        record.synced = Clock.milliseconds()
        record.view = outcome.view
        record.isIncomplete = !outcome.damaged.isEmpty
        try record.save(spool == nil ? source.directories : local)
    }
}
