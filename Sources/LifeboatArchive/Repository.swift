import LifeboatCodec
public import LifeboatCore
public import LifeboatFormat
public import LifeboatStore
import LifeboatSystem

/// An open repository: its store, its verified configuration and roster, and the keys at hand.
///
/// Immutable after opening, hence safe from many threads.
public final class Repository: Sendable {
    public let store: any ObjectStore
    let configurations: ConfigurationChain
    let rosters: RosterChain
    /// The configuration in force.
    public let configuration: Configuration
    /// The roster in force when the repository was opened.
    public let roster: Roster
    /// The keys of a member, writer or keeper; `nil` without a password or key file.
    public let writer: WriterKeys?
    /// `nil` without a recovery key.
    public let recovery: RecoveryKey?
    /// The member's own domain, else the first; `nil` when the repository was opened without any
    /// secret.
    public let domain: DomainKeys?
    /// Every domain whose secret is at hand.
    public let domains: [Identifier: DomainKeys]
    public let directories: LocalDirectories
    /// Whether this place is a replica, which nobody writes to but who brings it up to date.
    public let isReplica: Bool
    /// The spool that it was opened in, for want of its store; `nil` everywhere else.
    public let spool: Spool?
    /// Log entries that were read, which never change.
    let fetcher: LogFetcher

    init(
        store: any ObjectStore, configurations: ConfigurationChain, rosters: RosterChain,
        writer: WriterKeys?, recovery: RecoveryKey?, domain: DomainKeys?,
        domains: [Identifier: DomainKeys], directories: LocalDirectories,
        isReplica: Bool = false, spool: Spool? = nil, fetcher: LogFetcher = LogFetcher()
    ) {
        self.isReplica = isReplica
        self.spool = spool
        self.fetcher = fetcher
        self.store = store
        self.configurations = configurations
        self.rosters = rosters
        configuration = configurations.current
        roster = rosters.roster
        self.writer = writer
        self.recovery = recovery
        self.domain = domain
        self.domains = domains
        self.directories = directories
    }

    public var id: Identifier { configuration.repository }
    public var chunkSize: Int { configuration.chunkSize }
    /// When the repository was made, milliseconds since 1970.
    public var created: UInt64 { configurations.links[0].configuration.created }

    /// Domains that the repository has and whose secrets are not at hand.
    public var foreignDomains: Set<Identifier> {
        Set(configuration.domains.map(\.id)).subtracting(domains.keys)
    }

    /// What `fingerprint` shows of root and recovery key, for people to compare.
    public var fingerprint: String { Self.fingerprint(configuration) }

    public static func fingerprint(_ configuration: Configuration) -> String {
        fingerprint(rootKey: configuration.rootKey, recoveryKey: configuration.recoveryKey)
    }

    static func fingerprint(rootKey: [UInt8], recoveryKey: [UInt8]) -> String {
        let hex = SHA256Hash.digest(rootKey + recoveryKey).hex
        return stride(from: 0, to: 32, by: 4).map { start in
            String(hex.dropFirst(start).prefix(4))
        }.joined(separator: " ")
    }

    /// The domain's keys, or an error that says which secret is wanted.
    public func requireDomain() throws(LifeboatError) -> DomainKeys {
        guard let domain else {
            throw LifeboatError(
                .wrongKey, "this needs a password, a key file or the recovery key",
                subject: store.location)
        }
        return domain
    }

    /// The keys of a member that is neither suspended nor revoked.
    public func requireMember() throws(LifeboatError) -> WriterKeys {
        try refuseReplica()
        guard let writer else {
            throw LifeboatError(
                .wrongKey, "this needs the password or key file of a member",
                subject: store.location,
                advice: "give --password-file, --password-command or --key-file")
        }
        guard roster.member(writer.writer)?.isActive == true else {
            throw LifeboatError(
                .refused, "member \(writer.writer) was revoked and may add nothing any more",
                subject: store.location, advice: "enrol this host anew with: lifeboat key enrol")
        }
        return writer
    }

    /// The keys of a writer that may add points.
    public func requireWriter() throws(LifeboatError) -> WriterKeys {
        try require(
            .writer, "only a writer can do this; these are the keys of a keeper",
            advice: "see: lifeboat key list; enrol one with: lifeboat key enrol --role writer")
    }

    /// The keys of a keeper that may forget and collect.
    public func requireKeeper() throws(LifeboatError) -> WriterKeys {
        try require(
            .keeper, "only a keeper can do this; these are the keys of a writer",
            advice: "enrol one with: lifeboat key enrol --role keeper --recovery-key-file FILE")
    }

    private func require(
        _ role: Roster.Role, _ refusal: String, advice: String
    ) throws(LifeboatError) -> WriterKeys {
        let keys = try requireMember()
        guard roster.member(keys.writer)?.role == role else {
            throw LifeboatError(.refused, refusal, subject: store.location, advice: advice)
        }
        return keys
    }

    public func requireRecovery() throws(LifeboatError) -> RecoveryKey {
        guard let recovery else {
            throw LifeboatError(
                .wrongKey, "reading data back needs the recovery key", subject: store.location,
                advice: "give --recovery-key-file")
        }
        return recovery
    }

    /// What changes the repository is done where it stands, not at a replica.
    func refuseReplica() throws(LifeboatError) {
        // Into a spool the store itself lets nothing but packs and bodies.
        guard isReplica, spool == nil else { return }
        throw LifeboatError(
            .refused, "this is a replica, to which nobody writes but replica sync",
            subject: store.location,
            advice: "do it at the repository itself; if that is lost for good, see: "
                + "lifeboat replica promote")
    }

    /// The label of a member; `nil` when its domain's secret is not at hand.
    public func label(of member: Roster.Member) -> String? {
        domains[member.domain].flatMap {
            MemberLabel.open(member.sealedLabel, member: member.id, domain: $0)
        }
    }
}
