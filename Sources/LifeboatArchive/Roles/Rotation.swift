import LifeboatCodec
public import LifeboatCore
import LifeboatFormat
import LifeboatStore
import LifeboatSystem

/// Changes of the configuration; each needs the recovery key, whose root signs it.
extension Repository {
    /// Makes a new domain: hosts in it share nothing with those of others.
    public func addDomain() throws(LifeboatError) -> (
        repository: Repository, domain: Identifier
    ) {
        let recovery = try requireRecovery()
        try refuseReplica()
        let domain = DomainKeys(repository: id, domain: .random(), secret: .random(count: 32))
        let (before, configurations) = try changeConfiguration(recovery) {
            next, current throws(LifeboatError) in
            next.domains.append(try domain.sealed(to: current.configuration.recoveryKey))
        }
        let changed = try before.with(
            configurations, try RosterChain.read(store, configurations))
        return (changed, domain.domain)
    }

    /// Replaces recovery key and root key, with the one put of the next configuration.
    ///
    /// The new key opens everything that the old one did. Write it down first: once this begins,
    /// it may be the only one that opens what is stored from then on.
    /// - Throws: `.wrongKey` when another rotation was faster.
    public func rotate(to new: RecoveryKey) throws(LifeboatError) -> Repository {
        let old = try requireRecovery()
        try refuseReplica()
        let publicKey = try RecoverySealing.publicKey(seed: new.seed)
        var (before, configurations) = try changeConfiguration(old) {
            next, current throws(LifeboatError) in
            next.rootKey = new.root.publicKey
            next.recoveryKey = publicKey
            next.domains = []
            for domain in current.configuration.domains {
                next.domains.append(
                    try DomainKeys.open(domain, repository: current.id, with: old)
                        .sealed(to: publicKey))
            }
            next.earlierKeys = try current.earlierKeys(old, sealedTo: publicKey)
        }
        // Who changed the members until just now signed with the old key, which was in force.
        var rosters = before.rosters
        if (try? rosters.extend(store, before.configurations)) == true {
            var next = configurations.current
            next.number += 1
            next.previous = configurations.currentDigest
            next.rosterNumber = rosters.roster.number
            next.rosterDigest = rosters.digest
            _ = try putOnce(
                ObjectNames.configuration(next.number),
                Self.signed(.configuration, next.payload, by: new.root))
            _ = try configurations.extend(store)
        }
        return try before.with(
            configurations, try RosterChain.read(store, configurations),
            recovery: try new.withEarlierSeeds(of: configurations.current))
    }

    /// All keys that the next configuration replaces, the oldest first.
    private func earlierKeys(
        _ old: RecoveryKey, sealedTo publicKey: [UInt8]
    ) throws(LifeboatError) -> [Configuration.EarlierKey] {
        let seeds = try old.withEarlierSeeds(of: configuration).seeds.reversed()
        let publicKeys = configuration.earlierKeys.map(\.publicKey) + [configuration.recoveryKey]
        var keys: [Configuration.EarlierKey] = []
        for (seed, earlier) in zip(seeds, publicKeys) {
            let sealed = try RecoverySealing.seal(
                seed, to: publicKey,
                info: RecoveryKey.earlierSeedInfo(repository: id, publicKey: earlier))
            keys.append(
                .init(
                    publicKey: earlier, encapsulation: sealed.encapsulation,
                    sealedSeed: sealed.sealed))
        }
        return keys
    }

    /// Puts the next configuration; once more, on the newer one, where somebody else was faster.
    private func changeConfiguration(
        _ recovery: RecoveryKey,
        _ change: (inout Configuration, Repository) throws(LifeboatError) -> Void
    ) throws(LifeboatError) -> (before: Repository, configurations: ConfigurationChain) {
        var current = try refreshed()
        for _ in 0..<Self.changeAttempts {
            try current.requireCurrent(recovery)
            var next = current.configuration
            next.number += 1
            next.previous = current.configurations.currentDigest
            next.created = Clock.milliseconds()
            next.rosterNumber = current.roster.number
            next.rosterDigest = current.rosters.digest
            try change(&next, current)
            if try current.putOnce(
                ObjectNames.configuration(next.number),
                Self.signed(.configuration, next.payload, by: recovery.root))
            {
                var configurations = current.configurations
                _ = try configurations.extend(store)
                return (current, configurations)
            }
            current = try current.refreshed()
        }
        throw LifeboatError(
            .unavailable, "others keep changing the configuration", subject: store.location,
            advice: "try again")
    }
}
