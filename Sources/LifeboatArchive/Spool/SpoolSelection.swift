import LifeboatCore
import LifeboatFormat
import LifeboatProtocol
import LifeboatStore

/// What of a repository a spool's replica is given: the newest points of this member, and the packs
/// that hold nodes of their block maps.
struct SpoolSelection {
    private(set) var absentPoints: [Digest] = []
    private(set) var absentPacks: [Digest] = []

    init(
        _ source: Repository, _ log: LogView, _ spool: Spool, cancellation: Cancellation
    ) throws(LifeboatError) {
        let ledger = log.ledger
        let catalog = try PointCatalog(source, ledger: ledger, isLenient: true)
        // What waits still needs its base, if it is there.
        let notes = try spool.notes()
        var wanted: Set<Digest> = []
        for base in try spool.records().flatMap(\.bases) {
            wanted.insert(notes.sent.first { $0.value.local == base }?.value.point ?? base)
        }
        for (_, point) in Self.newest(catalog.points, of: source.writer?.writer) {
            wanted.insert(point.id)
        }
        let chosen = catalog.points.filter { wanted.contains($0.id) }
        let ids = Set(chosen.map(\.id))
        absentPoints = ledger.points.map(\.id).filter { !ids.contains($0) }
        let near = source.reading(
            through: NearbyStore([spool.replica, spool.outbox], before: source.store))
        let index = try Index.open(source, ledger: ledger)
        var walk = NodeWalk(
            nodes: try NodeReader(near, index: index, packs: try PackCache(near)),
            cancellation: cancellation)
        var needed: Set<Digest> = []
        for point in chosen {
            for volume in point.body.volumes {
                try walk.visit(volume) { id throws(LifeboatError) in
                    if let pack = try index.find(id)?.pack { needed.insert(pack) }
                }
            }
        }
        absentPacks = ledger.packs.keys.filter { !needed.contains($0) }
    }

    /// By machine and volume, the newest point that this member made and that can be built on.
    private static func newest(_ points: [Point], of member: Identifier?) -> [[String]: Point] {
        var newest: [[String]: Point] = [:]
        for point in points where point.record.member == member && !point.record.isInDoubt {
            for volume in point.body.volumes { newest[[point.body.machine, volume.name]] = point }
        }
        return newest
    }
}

/// Visits the nodes of block maps, each once.
struct NodeWalk {
    let nodes: NodeReader
    let cancellation: Cancellation
    private var seen: Set<Digest> = []

    init(nodes: NodeReader, cancellation: Cancellation) {
        self.nodes = nodes
        self.cancellation = cancellation
    }

    /// Calls `node` with the id of every node that was not visited yet, and `chunks` with the ids
    /// of every new leaf's chunks.
    ///
    /// - Throws: `.damaged` when a node cannot be read.
    mutating func visit(
        _ volume: PointBody.Volume, chunks: ([Digest]) throws(LifeboatError) -> Void = { _ in },
        node: (Digest) throws(LifeboatError) -> Void
    ) throws(LifeboatError) {
        guard volume.levels > 0, !volume.root.isZero else { return }
        try visit(volume.root, level: volume.levels - 1, chunks, node)
    }

    private mutating func visit(
        _ id: Digest, level: Int, _ chunks: ([Digest]) throws(LifeboatError) -> Void,
        _ node: (Digest) throws(LifeboatError) -> Void
    ) throws(LifeboatError) {
        guard seen.insert(id).inserted else { return }
        try cancellation.check()
        try node(id)
        let children = try nodes.node(id, level: level).children.filter { !$0.isZero }
        guard level > 0 else { return try chunks(children) }
        for child in children { try visit(child, level: level - 1, chunks, node) }
    }
}
