import LifeboatCore
import LifeboatFormat
import LifeboatProtocol

/// Finds which packs must stay for the points at hand.
///
/// Visits each distinct node of their block maps once.
struct Marker {
    /// What one pack holds, in entries of the index.
    struct Usage {
        var entries: UInt32 = 0
        /// Those for whose sake the pack must stay.
        var needed: UInt32 = 0
    }

    let repository: Repository
    let index: Index
    let events: any EventSink
    let cancellation: Cancellation

    /// Marks all that `roots` need.
    ///
    /// - Throws: `.damaged` when a block map cannot be read, or needs what no index knows: what
    ///   lies below a node that cannot be read must not be deleted for that.
    func mark(_ roots: [Ledger.Point], _ liveness: Liveness) throws(LifeboatError) -> UInt64 {
        let stage = "marking"
        events.tell(.started(stage: stage, total: UInt64(roots.count)))
        var nodesVisited: UInt64 = 0
        var readers: [Identifier: NodeReader] = [:]
        let points = PointReader(repository)
        defer { points.save() }
        for (done, root) in roots.enumerated() {
            try cancellation.check()
            // Packs of a domain whose secret is not at hand are kept as they are.
            guard let domain = repository.domains[root.domain] else { continue }
            let point: Point
            do throws(LifeboatError) {
                point = try points.read(root, domain)
            } catch {
                // Another keeper has deleted it already, which found no session building on it.
                if root.forgotten != nil, error.code == .damaged { continue }
                throw error
            }
            if readers[root.domain] == nil {
                let own = try repository.inDomain(root.domain)
                readers[root.domain] = try NodeReader(
                    own, index: index, packs: try PackCache(own), limit: 32 << 20)
            }
            guard let nodes = readers[root.domain] else { continue }
            for volume in point.body.volumes where volume.levels > 0 && !volume.root.isZero {
                do throws(LifeboatError) {
                    try visit(
                        volume.root, level: volume.levels - 1, nodes, liveness, &nodesVisited)
                } catch {
                    guard error.code == .damaged else { throw error }
                    throw LifeboatError(
                        .damaged,
                        "volume \(volume.name) of point \(root.id.short) is damaged: "
                            + error.message,
                        subject: error.subject,
                        advice:
                            "nothing is deleted while it is not known what it needs; heal it by a "
                            + "backup or from another copy, or forget the point")
                }
            }
            events.tell(.progress(stage: stage, done: UInt64(done + 1), total: nil))
        }
        events.tell(.finished(stage: stage))
        return nodesVisited
    }

    private func visit(
        _ id: Digest, level: Int, _ nodes: NodeReader, _ liveness: Liveness, _ count: inout UInt64
    ) throws(LifeboatError) {
        guard let isNew = liveness.mark(id) else { throw unknown(id, "node") }
        guard isNew else { return }
        count += 1
        if count.isMultiple(of: 1024) { try cancellation.check() }
        let node = try nodes.node(id, level: level)
        for child in node.children where !child.isZero {
            if level > 0 {
                try visit(child, level: level - 1, nodes, liveness, &count)
            } else if liveness.mark(child) == nil {
                throw unknown(child, "chunk")
            }
        }
    }

    private func unknown(_ id: Digest, _ what: String) -> LifeboatError {
        LifeboatError(
            .damaged, "no index knows where it is", subject: "\(what) \(id.short)",
            advice: "run: lifeboat index rebuild")
    }

    /// Chooses among the copies of what is needed.
    ///
    /// Returns the packs that must stay, and what each pack holds, by its number in `liveness`.
    func choose(
        _ survival: Survival, _ liveness: Liveness
    ) throws(LifeboatError) -> (kept: Set<Digest>, usage: [Usage]) {
        let packs = liveness.packs
        var usage = [Usage](repeating: Usage(), count: packs.count)
        var numbers: [Digest: Int] = [:]
        for (number, pack) in packs.enumerated() { numbers[pack] = number }
        // Most have one copy: what becomes of it is the same for all of its pack.
        let alone = packs.map { !survival.kept(of: [$0]).isEmpty }
        try liveness.groups { _, copies, isNeeded throws(LifeboatError) in
            for copy in copies { usage[Int(copy)].entries += 1 }
            guard isNeeded else { return }
            if copies.count == 1, let copy = copies.first {
                if alone[Int(copy)] { usage[Int(copy)].needed += 1 }
                return
            }
            for pack in survival.kept(of: Set(copies.map { packs[Int($0)] }).sorted()) {
                if let number = numbers[pack] { usage[number].needed += 1 }
            }
        }
        var kept: Set<Digest> = []
        for (number, pack) in packs.enumerated() where usage[number].needed > 0 {
            kept.insert(pack)
        }
        return (kept, usage)
    }
}
