import LifeboatArchive
public import LifeboatCore
import LifeboatFormat
import LifeboatProtocol
import LifeboatStore

/// What `repo info` tells.
public struct RepositoryInformation: Sendable {
    public var repository: Identifier
    public var location: String
    public var store: StoreInformation
    public var formatVersion: Int
    /// Bytes.
    public var chunkSize: Int
    /// Milliseconds since 1970.
    public var created: UInt64
    /// Short digest of root and recovery public key, to compare by eye.
    public var fingerprint: String
    public var configurationNumber: UInt64
    public var rosterNumber: UInt64
    /// No point younger than this can be forgotten; milliseconds.
    public var minimumAge: UInt64
    /// For how long the store locks what is put; milliseconds, 0 for not at all.
    public var lockDuration: UInt64 = 0
    public var domains: [Identifier]
    public var members: [MemberSummary]
    public var logs: Int
    /// Of domains whose secrets are not at hand, too.
    public var points: Int
    public var heldPoints: Int
    public var packs: Int
    public var indexRuns: Int
    public var condemnedObjects: Int
    /// Objects whose deletion is decided, as far as logs still tell.
    public var doomedObjects: Int
    /// The number of the checkpoint that stands, and when it was made; `nil` for none.
    public var checkpoint: UInt64?
    public var checkpointTime: UInt64?
    /// What of the source's logs a replica shows; `nil` for what is no replica.
    public var replica: ReplicaInformation?
    public var sessions: [SessionSummary]
    /// What the keys at hand allow: `list`, `backup`, `forget`, `restore`, `members`.
    public var abilities: [String]
}

/// What a replica says of itself.
public struct ReplicaInformation: Hashable, Sendable {
    /// The number of the newest view; 0 for none.
    public var view: UInt64
    /// When it was made, by the clock of who made it; milliseconds since 1970.
    public var time: UInt64
    /// Points that it was not given.
    public var absentPoints: Int
}

extension Operations {
    /// What the repository is, and what is in it by its logs; costs no listing of packs.
    ///
    /// `probes`: asks the store anew what it can do, which puts and deletes some small objects.
    public func information(
        probes: Bool = false
    ) throws(LifeboatError) -> RepositoryInformation {
        let repository = try openRepository()
        if probes { try repository.store.probe() }
        let log = try repository.readLog()
        warn(log.problems)
        let ledger = log.ledger
        let configuration = repository.configuration
        return RepositoryInformation(
            repository: repository.id, location: repository.store.location,
            store: try StoreInformation(repository.store), formatVersion: Int(ObjectKind.version),
            chunkSize: repository.chunkSize,
            created: repository.created, fingerprint: repository.fingerprint,
            configurationNumber: configuration.number, rosterNumber: repository.roster.number,
            minimumAge: configuration.minimumAge, lockDuration: configuration.lockDuration,
            domains: configuration.domains.map(\.id),
            members: repository.roster.members.map { summary($0, repository) },
            logs: ledger.logs.values.count { $0.head.sequence > 0 }, points: ledger.points.count,
            heldPoints: ledger.points.count(where: \.isHeld), packs: ledger.packs.count,
            indexRuns: ledger.runs.count, condemnedObjects: ledger.condemned.count,
            doomedObjects: ledger.doomed.count, checkpoint: ledger.base?.ordinal,
            checkpointTime: log.checkpointTime,
            replica: log.view.map {
                ReplicaInformation(
                    view: $0.number, time: $0.time, absentPoints: $0.absentPoints.count)
            },
            sessions: Self.sessions(ledger, repository).filter { !$0.isEnded },
            abilities: abilities(repository))
    }

    private func abilities(_ repository: Repository) -> [String] {
        var abilities: [String] = []
        if repository.domain != nil { abilities.append("list") }
        if let member = repository.writer.flatMap({ repository.roster.member($0.writer) }),
            member.isActive
        {
            abilities.append(member.role == .writer ? "backup" : "forget")
        }
        if repository.recovery != nil { abilities += ["restore", "members"] }
        return abilities
    }
}
