import LifeboatArchive
public import LifeboatCore
import LifeboatFormat
import LifeboatProtocol

extension Operations {
    /// Puts points on hold, so that nobody can forget them.
    ///
    /// Needs a keeper's keys.
    public func hold(
        _ points: [String], filter: PointFilter = PointFilter()
    ) throws(LifeboatError) -> [PointSummary] {
        try setHold(true, points, filter)
    }

    /// Ends the hold on points; needs a keeper's keys.
    public func release(
        _ points: [String], filter: PointFilter = PointFilter()
    ) throws(LifeboatError) -> [PointSummary] {
        try setHold(false, points, filter)
    }

    private func setHold(
        _ isHeld: Bool, _ points: [String], _ filter: PointFilter
    ) throws(LifeboatError) -> [PointSummary] {
        let repository = try openRepository()
        _ = try repository.requireKeeper()
        var chosen: [Point] = []
        _ = try repository.keep { ledger throws(LifeboatError) in
            chosen = try named(points, filter, ledger, repository)
            let ids = chosen.filter { $0.record.isHeld != isHeld }.map(\.id).sorted()
            return ids.isEmpty
                ? nil
                : { entry in if isHeld { entry.held = ids } else { entry.unheld = ids } }
        }
        return try summaries(chosen, repository).map { summary in
            var summary = summary
            summary.isHeld = isHeld
            return summary
        }
    }

    /// The points that are named, each once.
    func named(
        _ texts: [String], _ filter: PointFilter, _ ledger: Ledger, _ repository: Repository
    ) throws(LifeboatError) -> [Point] {
        let catalog = try PointCatalog(repository, ledger: ledger)
        var chosen: [Point] = []
        for text in texts {
            let point = try catalog.find(text) { filter.accepts($0) }
            if !chosen.contains(where: { $0.id == point.id }) { chosen.append(point) }
        }
        return chosen
    }
}
