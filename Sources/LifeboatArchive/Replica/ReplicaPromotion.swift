public import LifeboatCore
import LifeboatFormat
import LifeboatStore

extension Repository {
    /// Makes a repository of a replica, for when the one that it is of is lost.
    ///
    /// What an interrupted run has copied and not shown goes: it may lack what it needs. Returns
    /// how many entries that were.
    /// - Throws: `.refused` when this is no replica, or one that has only some of the points.
    public func promote() throws(LifeboatError) -> Int {
        guard isReplica else {
            throw LifeboatError(.refused, "this is no replica", subject: store.location)
        }
        guard let view = try ReplicaSight(store).view, view.number > 0 else {
            throw LifeboatError(
                .refused, "the replica has never been brought up to date, or its view is damaged",
                subject: store.location)
        }
        guard !view.isPartial else {
            throw LifeboatError(
                .refused, "the replica has only some of the points, and names the others too",
                subject: store.location,
                advice: "take them over into a new repository with: lifeboat pull")
        }
        let limits = Dictionary(view.heads.map { ($0.incarnation, $0.sequence) }) { max($0, $1) }
        var behind: [ObjectName] = []
        try store.list(ObjectNames.logPrefix) { name, _ throws(LifeboatError) in
            let parts = name.path.split(separator: "/")
            guard parts.count == 3, let incarnation = Identifier(hex: parts[1]),
                let sequence = UInt64(parts[2]), sequence > limits[incarnation] ?? 0
            else { return }
            behind.append(name)
        }
        // The last first, so that no log ever has a gap.
        for name in behind.sorted().reversed() { try store.delete(name) }
        try store.delete(ObjectNames.replicaMark)
        var views: [ObjectName] = []
        try store.list(ObjectNames.replicaPrefix) { name, _ throws(LifeboatError) in
            views.append(name)
        }
        for name in views { try store.delete(name) }
        return behind.count
    }
}
