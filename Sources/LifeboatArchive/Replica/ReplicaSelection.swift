import LifeboatCore
import LifeboatFormat
import LifeboatProtocol
import LifeboatStore

/// What of a repository a replica is not given that takes only some of the points.
struct ReplicaSelection {
    private(set) var absentPoints: [Digest] = []
    /// Packs that hold nothing that a chosen point needs.
    private(set) var absentPacks: [Digest] = []

    /// - Throws: `.wrongKey` without a secret: what points are of is sealed.
    init(
        _ source: Repository, _ log: LogView, _ record: ReplicaRecord, events: any EventSink,
        cancellation: Cancellation
    ) throws(LifeboatError) {
        guard source.domain != nil else {
            throw LifeboatError(
                .wrongKey,
                "replica \(record.name) takes only some of the points, and which they are is sealed",
                subject: source.store.location,
                advice: "give the password or key file of a member, or the recovery key")
        }
        let ledger = log.ledger
        let catalog = try PointCatalog(source, log: log, isLenient: true)
        if let problem = catalog.problems.first { throw problem }
        let chosen = catalog.points.filter { point in
            (record.machines.isEmpty || record.machines.contains(point.body.machine))
                && record.tags.allSatisfy { point.tags[$0.key] == $0.value }
        }
        let wanted = Set(chosen.map(\.id))
        absentPoints = ledger.points.map(\.id).filter { !wanted.contains($0) }
        let index = try Index.open(source, ledger: ledger)
        let liveness = try Liveness(
            index.runs, believing: { ledger.vouches(run: $0, for: $1) },
            directory: source.directories.collections + "/" + Identifier.random().hex)
        let marker = Marker(
            repository: source, index: index, events: events, cancellation: cancellation)
        _ = try marker.mark(chosen.map(\.record), liveness)
        // Every pack with a copy: so no reader is led to one that is not there.
        var needed: Set<Digest> = []
        let packs = liveness.packs
        try liveness.groups { _, copies, isNeeded throws(LifeboatError) in
            guard isNeeded else { return }
            for copy in copies { needed.insert(packs[Int(copy)]) }
        }
        absentPacks = ledger.packs.keys.filter { !needed.contains($0) }
    }
}
