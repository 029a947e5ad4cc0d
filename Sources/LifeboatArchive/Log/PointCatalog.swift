import LifeboatCodec
public import LifeboatCore
public import LifeboatFormat
import LifeboatStore

/// A recovery point: its log entry and its opened body.
public struct Point: Sendable {
    public let id: Digest
    public let entry: LogEntry
    public let body: PointBody
}

/// The points of a repository, oldest first.
public struct PointCatalog: Sendable {
    public private(set) var points: [Point] = []
    /// Points whose body is missing or damaged.
    public private(set) var problems: [LifeboatError] = []

    /// Reads the bodies of all points of the domains at hand.
    public init(_ repository: Repository, log: LogView) throws(LifeboatError) {
        _ = try repository.requireDomain()
        for verified in log.entries where verified.addsPoint {
            guard let domain = repository.domains[verified.entry.domain] else { continue }
            do throws(LifeboatError) {
                points.append(try Self.read(verified, repository, domain))
            } catch {
                switch error.code {
                case .damaged: problems.append(error)
                default: throw error
                }
            }
        }
        points.sort { ($0.body.ended, $0.id) < ($1.body.ended, $1.id) }
    }

    private static func read(
        _ verified: VerifiedEntry, _ repository: Repository, _ domain: DomainKeys
    ) throws(LifeboatError) -> Point {
        let entry = verified.entry
        let name = ObjectNames.pointBody(entry.incarnation, entry.sequence)
        let bytes: [UInt8]
        do throws(LifeboatError) {
            bytes = try repository.store.get(name, limit: Envelope.byteLimit)
        } catch {
            guard error.code == .missing else { throw error }
            throw LifeboatError(
                .damaged, "the body of point \(verified.id.short) is missing", subject: name.path,
                advice: "its data may still be there; take the body from another copy")
        }
        guard SHA256Hash.digest(bytes) == entry.body else {
            throw LifeboatError(
                .damaged, "the body of point \(verified.id.short) is not the one that was signed",
                subject: name.path, advice: "take it from another copy of the repository")
        }
        let body = try PointSealing.open(
            bytes, domain: domain, incarnation: entry.incarnation, sequence: entry.sequence,
            subject: name.path)
        return Point(id: verified.id, entry: entry, body: body)
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

    /// The newest point of a machine that has a volume of this name.
    public func newest(machine: String, volume: String) -> Point? {
        points.last { point in
            point.body.machine == machine && point.body.volumes.contains { $0.name == volume }
        }
    }
}
