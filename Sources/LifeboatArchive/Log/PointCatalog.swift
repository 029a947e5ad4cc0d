import LifeboatCodec
public import LifeboatCore
public import LifeboatFormat
public import LifeboatProtocol
import LifeboatStore

/// A recovery point: what the logs say of it, and its opened body.
public struct Point: Sendable {
    public let id: Digest
    public let record: Ledger.Point
    public let body: PointBody
    /// The tags as they are now.
    public let tags: [String: String]
}

/// The points of a repository, oldest first.
public struct PointCatalog: Sendable {
    public private(set) var points: [Point] = []
    /// Points whose body is missing or damaged.
    public private(set) var problems: [LifeboatError] = []

    /// Reads the bodies of all points of the domains at hand, forgotten ones left out.
    public init(_ repository: Repository, log: LogView) throws(LifeboatError) {
        try self.init(repository, ledger: log.ledger)
    }

    public init(_ repository: Repository, ledger: Ledger) throws(LifeboatError) {
        _ = try repository.requireDomain()
        for record in ledger.points {
            guard let domain = repository.domains[record.domain] else { continue }
            do throws(LifeboatError) {
                points.append(try Self.read(record, repository, domain))
            } catch {
                switch error.code {
                case .damaged: problems.append(error)
                default: throw error
                }
            }
        }
        points.sort { ($0.body.ended, $0.id) < ($1.body.ended, $1.id) }
    }

    /// Reads one point's body.
    ///
    /// - Throws: `.damaged` when it is missing or not what was signed.
    static func read(
        _ record: Ledger.Point, _ repository: Repository, _ domain: DomainKeys
    ) throws(LifeboatError) -> Point {
        let name = ObjectNames.pointBody(record.body)
        let bytes: [UInt8]
        do throws(LifeboatError) {
            bytes = try repository.store.get(name, limit: Envelope.byteLimit)
        } catch {
            guard error.code == .missing else { throw error }
            throw LifeboatError(
                .damaged, "the body of point \(record.id.short) is missing", subject: name.path,
                advice: "its data may still be there; take the body from another copy")
        }
        guard SHA256Hash.digest(bytes) == record.body else {
            throw LifeboatError(
                .damaged, "the body of point \(record.id.short) is not the one that was signed",
                subject: name.path, advice: "take it from another copy of the repository")
        }
        let body = try PointSealing.open(
            bytes, domain: domain, member: record.member, subject: name.path)
        var tags = body.tags
        if !record.tags.isEmpty,
            let edited = try? PointSealing.openTags(record.tags, of: record.id, domain: domain)
        {
            tags = edited
        }
        return Point(id: record.id, record: record, body: body, tags: tags)
    }

    /// Finds a point by id, unique prefix or `latest` among those that `accepts` lets pass.
    ///
    /// - Throws: `.missing`, or `.refused` when several points or machines fit.
    public func find(
        _ text: String, where accepts: (Point) -> Bool = { _ in true }
    ) throws(LifeboatError) -> Point {
        let candidates = points.filter(accepts)
        if text == "latest" {
            guard let last = candidates.last else {
                throw LifeboatError(.missing, "there is no point yet", subject: text)
            }
            let machines = Set(candidates.map(\.body.machine))
            guard machines.count == 1 else {
                throw LifeboatError(
                    .refused,
                    "latest of which machine? There are \(machines.sorted().joined(separator: ", "))",
                    subject: text, advice: "name one with --machine, or give a point's id")
            }
            return last
        }
        let prefix = text.lowercased()
        let fitting = candidates.filter { $0.id.hex.hasPrefix(prefix) }
        guard prefix.count >= 4, let point = fitting.first else {
            let named = "point \(prefix.prefix(12))"
            if prefix.count >= 4,
                let problem = problems.first(where: { $0.message.contains(named) })
            {
                throw problem
            }
            throw LifeboatError(
                .missing, "there is no such point", subject: text,
                advice: "list them with: lifeboat points")
        }
        guard fitting.count == 1 else {
            throw LifeboatError(
                .refused, "\(fitting.count) points begin like this", subject: text,
                advice: "give more digits")
        }
        return point
    }

    /// The newest point of a machine that has a volume of this name, and that can be built on.
    public func newest(machine: String, volume: String) -> Point? {
        points.last { point in
            !point.record.isInDoubt && point.body.machine == machine
                && point.body.volumes.contains { $0.name == volume }
        }
    }
}
