import LifeboatProtocol
import LifeboatArchive
import LifeboatCodec
public import LifeboatCore
import LifeboatFormat
import LifeboatSystem

/// What a member may do.
public enum MemberRole: String, Sendable, CaseIterable {
    /// Adds points.
    case writer
    /// Forgets points, and collects what nobody needs.
    case keeper
}

/// Which domain a new member belongs to.
public enum EnrolmentDomain: Sendable {
    /// The repository's first.
    case first
    /// The one with this id, or the only one that begins like this.
    case existing(String)
    /// One that is made for it.
    case new
}

extension Operations {
    /// Enrols a writer or keeper; needs the recovery key alone.
    ///
    /// `secret` is a new password, or names a key file that is made.
    public func enrol(
        _ role: MemberRole, domain: EnrolmentDomain, label: String,
        secret: RepositoryAccess.Secret
    ) throws(LifeboatError) -> EnrolmentResult {
        var repository = try openRepository(readsOnly: true)
        _ = try repository.requireRecovery()
        let home = try existing(domain, repository)
        let wrapping: WrappingSecret
        switch secret {
        case .password(let password): wrapping = .password(password)
        case .keyFile(let path): wrapping = .keyFile(try KeyFile.create(path))
        case .none, .recoveryKey:
            throw LifeboatError(.usage, "a new member needs a password or a key file")
        }
        let id: Identifier
        if let home { id = home } else { (repository, id) = try repository.addDomain() }
        let (changed, member, slot) = try repository.enrol(
            role == .writer ? .writer : .keeper, domain: id, label: label, secret: wrapping)
        return EnrolmentResult(
            member: summary(member, changed), key: try summary(slot, label, member.id, changed),
            isNewDomain: home == nil)
    }

    /// The domain that is meant; `nil` when a new one is wanted.
    private func existing(
        _ domain: EnrolmentDomain, _ repository: Repository
    ) throws(LifeboatError) -> Identifier? {
        let domains = repository.configuration.domains.map(\.id)
        switch domain {
        case .new: return nil
        case .first: return domains.first
        case .existing(let text):
            return try chosen(text, domains, "domain")
        }
    }

    /// Ends a membership: what the member stored until now stays, nothing more counts.
    ///
    /// It takes two rosters, so that nothing is lost that the member stored in between.
    public func revoke(_ member: String) throws(LifeboatError) -> MemberSummary {
        var repository = try openRepository(readsOnly: true)
        _ = try repository.requireRecovery()
        let id = try chosen(member, repository.roster.members.map(\.id), "member")
        repository = try repository.suspend(id)
        let log = try repository.readLog()
        warn(log.problems)
        let heads = log.ledger.logs.values.filter { $0.member == id && $0.head.sequence > 0 }
            .map(\.head).sorted { $0.incarnation < $1.incarnation }
        repository = try repository.revoke(id, heads: heads)
        guard let revoked = repository.roster.member(id) else {
            throw LifeboatError(.internalFault, "a revoked member is gone", subject: id.hex)
        }
        return summary(revoked, repository)
    }

    /// The only one of `all` that begins like `text`.
    func chosen(
        _ text: String, _ all: [Identifier], _ what: String
    ) throws(LifeboatError) -> Identifier {
        let fitting = all.filter { $0.hex.hasPrefix(text.lowercased()) }
        guard !text.isEmpty, let first = fitting.first else {
            throw LifeboatError(
                .missing, "there is no such \(what)", subject: text,
                advice: "see: lifeboat key list")
        }
        guard fitting.count == 1 else {
            throw LifeboatError(
                .refused, "\(fitting.count) \(what)s begin like this", subject: text)
        }
        return first
    }

    func summary(_ member: Roster.Member, _ repository: Repository) -> MemberSummary {
        MemberSummary(
            id: member.id, role: member.role == .writer ? .writer : .keeper,
            label: repository.label(of: member) ?? "?", domain: member.domain,
            joined: member.joined,
            state: member.revoked != nil
                ? "revoked" : member.isSuspended ? "suspended" : "active",
            isCurrent: repository.writer?.writer == member.id)
    }
}
