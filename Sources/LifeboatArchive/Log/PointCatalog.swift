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
    /// Points that a replica was not given.
    private var absent: [Digest] = []

    /// Bodies that are read at once, at most.
    private static let blockCount = 256

    /// Reads the bodies of all points of the domains at hand, forgotten ones left out.
    ///
    /// `isLenient`: a body that this host opened earlier is not read again, so nothing shows
    /// whether it is still there.
    public init(
        _ repository: Repository, log: LogView, isLenient: Bool = false
    ) throws(LifeboatError) {
        try self.init(repository, ledger: log.ledger, isLenient: isLenient)
        absent = log.view?.absentPoints ?? []
    }

    /// The points of a ledger.
    public init(
        _ repository: Repository, ledger: Ledger, isLenient: Bool = false
    ) throws(LifeboatError) {
        _ = try repository.requireDomain()
        let reader = PointReader(repository)
        defer { reader.save() }
        let records = ledger.points.filter { repository.domains[$0.domain] != nil }
        for start in stride(from: 0, to: records.count, by: Self.blockCount) {
            let block = Array(records[start..<min(records.count, start + Self.blockCount)])
            for result in reader.read(block, isLenient: isLenient) {
                do throws(LifeboatError) {
                    points.append(try result.get())
                } catch {
                    guard error.code == .damaged else { throw error }
                    problems.append(error)
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
        try open(record, repository, domain).point
    }

    /// Reads one point's body; the point, and the body's opened content.
    static func open(
        _ record: Ledger.Point, _ repository: Repository, _ domain: DomainKeys
    ) throws(LifeboatError) -> (point: Point, content: [UInt8]) {
        let name = ObjectNames.pointBody(record.body)
        let bytes: [UInt8]
        do throws(LifeboatError) {
            bytes = try repository.store.get(name, limit: Envelope.byteLimit) {
                bytes throws(LifeboatError) in
                guard SHA256Hash.digest(bytes) == record.body else {
                    throw LifeboatError(
                        .damaged,
                        "the body of point \(record.id.short) is not the one that was signed",
                        subject: name.path, advice: "take it from another copy of the repository")
                }
                return bytes
            }
        } catch {
            guard error.code == .missing else { throw error }
            throw LifeboatError(
                .damaged, "the body of point \(record.id.short) is missing", subject: name.path,
                advice: "its data may still be there; take the body from another copy")
        }
        let content = try PointSealing.openContent(
            bytes, domain: domain, member: record.member, subject: name.path)
        return (try point(record, domain, content, subject: name.path), content)
    }

    /// The point whose body has this content.
    static func point(
        _ record: Ledger.Point, _ domain: DomainKeys, _ content: [UInt8], subject: String
    ) throws(LifeboatError) -> Point {
        let body = try PointSealing.body(content, subject: subject)
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
            if prefix.count >= 4, absent.contains(where: { $0.hex.hasPrefix(prefix) }) {
                throw LifeboatError(
                    .missing, "the point is not in this replica, which has only some",
                    subject: text,
                    advice: "read it from the repository itself, or from another replica")
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

    /// The points with these bodies only.
    private init(_ points: [Point], _ problems: [LifeboatError]) {
        self.points = points
        self.problems = problems
    }

    /// This catalogue with points that wait in a spool.
    public func adding(_ waiting: [Point]) -> PointCatalog {
        var result = self
        result.points += waiting
        result.points.sort { ($0.body.ended, $0.id) < ($1.body.ended, $1.id) }
        return result
    }

    /// The newest points of a machine, one for each of `volumes`, without reading all others.
    ///
    /// `member`: whose points are looked at first; those of others only for a volume that it has
    /// none of.
    public static func newest(
        _ repository: Repository, ledger: Ledger, machine: String, volumes: [String],
        member: Identifier
    ) throws(LifeboatError) -> PointCatalog {
        var wanted = Set(volumes)
        var points: [Point] = []
        var problems: [LifeboatError] = []
        func look(
            _ records: [Ledger.Point],
            _ read: (Ledger.Point, DomainKeys) throws(LifeboatError) -> Point
        ) throws(LifeboatError) {
            for record in records {
                guard !wanted.isEmpty else { return }
                guard let domain = repository.domains[record.domain] else { continue }
                do throws(LifeboatError) {
                    let point = try read(record, domain)
                    guard point.body.machine == machine else { continue }
                    let found = wanted.intersection(point.body.volumes.map(\.name))
                    if found.isEmpty { continue }
                    wanted.subtract(found)
                    points.append(point)
                } catch {
                    guard error.code == .damaged else { throw error }
                    problems.append(error)
                }
            }
        }
        let own = ledger.allPoints.values.filter {
            $0.member == member && $0.forgotten == nil && !$0.isInDoubt
        }
        try look(own.sorted { ($0.time, $0.id) > ($1.time, $1.id) }) {
            record, domain throws(LifeboatError) in try Self.read(record, repository, domain)
        }
        if !wanted.isEmpty {
            let reader = PointReader(repository)
            defer { reader.save() }
            try look(ledger.points.reversed().filter { $0.member != member && !$0.isInDoubt }) {
                record, domain throws(LifeboatError) in try reader.read(record, domain)
            }
        }
        points.sort { ($0.body.ended, $0.id) < ($1.body.ended, $1.id) }
        return PointCatalog(points, problems)
    }

    /// The newest point of a machine that has a volume of this name, and that can be built on.
    public func newest(machine: String, volume: String) -> Point? {
        points.last { point in
            !point.record.isInDoubt && point.body.machine == machine
                && point.body.volumes.contains { $0.name == volume }
        }
    }
}
