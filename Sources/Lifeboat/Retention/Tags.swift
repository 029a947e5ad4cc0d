import LifeboatArchive
public import LifeboatCore
import LifeboatFormat
import LifeboatProtocol

extension Operations {
    /// Gives points tags and takes tags from them; returns them as they are then.
    ///
    /// Needs the keys of a keeper, or of the writer that made the points.
    /// - Throws: `.refused` for points of another writer; then nothing is changed.
    public func tag(
        _ points: [String], set: [String: String], unset: [String],
        filter: PointFilter = PointFilter()
    ) throws(LifeboatError) -> [PointSummary] {
        if let key = unset.first(where: { set[$0] != nil }) {
            throw LifeboatError(.usage, "tag \(key) is to be set and to be unset", subject: key)
        }
        let repository = try openRepository()
        let member = try repository.requireMember().writer
        let isKeeper = repository.roster.member(member)?.role == .keeper
        var chosen: [Point] = []
        var edited: [Digest: [String: String]] = [:]
        _ = try repository.keep { ledger throws(LifeboatError) in
            chosen = try named(points, filter, ledger, repository)
            var edits: [LogEntry.TagEdit] = []
            for point in chosen {
                guard isKeeper || point.record.member == member else {
                    throw LifeboatError(
                        .refused, "point \(point.id.short) was made by another writer",
                        subject: point.id.hex,
                        advice: "its tags can be changed by that writer, and by keepers")
                }
                var tags = point.tags
                for (key, value) in set { tags[key] = value }
                for key in unset { tags[key] = nil }
                edited[point.id] = tags
                if tags != point.tags {
                    edits.append(try repository.tagEdit(tags, of: point.record))
                }
            }
            return edits.isEmpty ? nil : { $0.tagEdits = edits }
        }
        return try summaries(chosen, repository).map { summary in
            var summary = summary
            summary.tags = edited[summary.id] ?? summary.tags
            return summary
        }
    }
}
