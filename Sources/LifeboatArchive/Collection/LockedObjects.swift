public import LifeboatCore
import LifeboatFormat
import LifeboatProtocol
public import LifeboatStore

/// The objects that have to stay locked: what points need, and what leads to them.
///
/// What is condemned is not among them, nor entries that a checkpoint covers.
public struct LockedObjects: Sendable {
    /// In the order of names.
    public private(set) var names: [(name: ObjectName, size: UInt64)] = []
    /// What the logs name and the store does not have.
    public private(set) var missing: [ObjectName] = []

    /// Costs a listing.
    public init(_ repository: Repository, _ log: LogView) throws(LifeboatError) {
        let ledger = log.ledger
        var wanted: Set<ObjectName> = []
        for pack in ledger.packs.keys {
            let reference = ObjectReference(.pack, pack)
            guard ledger.condemned[reference] == nil, !ledger.doomed.contains(reference) else {
                continue
            }
            wanted.insert(ObjectNames.object(reference))
        }
        for run in ledger.runs.keys { wanted.insert(ObjectNames.indexRun(run)) }
        for point in ledger.roots() { wanted.insert(ObjectNames.pointBody(point.body)) }
        try repository.store.list("") { name, size throws(LifeboatError) in
            guard wanted.remove(name) != nil || Self.isAlwaysWanted(name, log) else { return }
            names.append((name, size))
        }
        missing = wanted.sorted()
    }

    private static func isAlwaysWanted(_ name: ObjectName, _ log: LogView) -> Bool {
        let parts = name.path.split(separator: "/")
        switch parts[0] + "/" {
        case ObjectNames.configurationPrefix, ObjectNames.rosterPrefix, ObjectNames.keysPrefix:
            return true
        case ObjectNames.checkpointsPrefix:
            guard let ordinal = ObjectNames.checkpointName(name)?.ordinal else { return false }
            return ordinal >= log.ledger.base?.ordinal ?? 0
        case ObjectNames.logPrefix:
            guard parts.count == 3, let incarnation = Identifier(hex: parts[1]),
                let sequence = UInt64(parts[2])
            else { return false }
            guard let cutoff = log.checkpointHeads[incarnation]?.sequence else { return true }
            return sequence > cutoff || LogSearch.isAnchor(sequence, cutoff: cutoff)
        default: return false
        }
    }
}
