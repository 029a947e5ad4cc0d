import LifeboatCodec
public import LifeboatCore
public import LifeboatFormat
import LifeboatStore

extension Repository {
    /// The same repository with another of its domains as `domain`.
    ///
    /// - Throws: `.wrongKey` when that domain's secret is not at hand.
    public func inDomain(_ id: Identifier) throws(LifeboatError) -> Repository {
        guard let domain = domains[id] else {
            throw LifeboatError(
                .wrongKey, "the secret of domain \(id) is not at hand", subject: store.location)
        }
        return Repository(
            store: store, configurations: configurations, rosters: rosters, writer: writer,
            recovery: recovery, domain: domain, domains: domains, directories: directories,
            isReplica: isReplica, spool: spool, fetcher: fetcher)
    }

    /// The same repository, read through another store.
    func reading(through store: any ObjectStore) -> Repository {
        Repository(
            store: store, configurations: configurations, rosters: rosters, writer: writer,
            recovery: recovery, domain: domain, domains: domains, directories: directories,
            isReplica: isReplica, spool: spool, fetcher: fetcher)
    }

    /// The roster in force now: one request when it has not changed.
    ///
    /// - Throws: as opening does.
    public func freshRoster() throws(LifeboatError) -> Roster {
        try withFreshRoster().roster
    }

    /// This repository with the roster in force now; itself when that has not changed.
    public func withFreshRoster() throws(LifeboatError) -> Repository {
        var rosters = rosters
        do throws(LifeboatError) {
            guard try rosters.extend(store, configurations) else { return self }
        } catch {
            // Perhaps a new root key signed it.
            guard error.code == .damaged else { throw error }
            let fresh = try refreshed()
            guard fresh !== self else { throw error }
            return fresh
        }
        return try with(configurations, rosters)
    }

    /// This repository with configuration and roster in force now; itself when nothing changed.
    ///
    /// A recovery key that was replaced meanwhile stays, for what is sealed to it.
    public func refreshed() throws(LifeboatError) -> Repository {
        var configurations = configurations
        var rosters = rosters
        if try configurations.extend(store) {
            rosters = try RosterChain.read(store, following: &configurations)
        } else if try !rosters.extend(store, configurations) {
            return self
        }
        return try with(configurations, rosters)
    }

    func with(
        _ configurations: ConfigurationChain, _ rosters: RosterChain,
        recovery newRecovery: RecoveryKey? = nil
    ) throws(LifeboatError) -> Repository {
        let recovery = newRecovery ?? recovery
        if writer != nil || recovery != nil {
            try TrustedNumbers.remember(configurations, rosters, directories)
        }
        var domains = domains
        if let recovery, recovery.root.publicKey == configurations.current.rootKey {
            for domain in configurations.current.domains where domains[domain.id] == nil {
                domains[domain.id] = try DomainKeys.open(domain, repository: id, with: recovery)
            }
        }
        return Repository(
            store: store, configurations: configurations, rosters: rosters, writer: writer,
            recovery: recovery, domain: domain, domains: domains, directories: directories,
            isReplica: isReplica, spool: spool, fetcher: fetcher)
    }
}
