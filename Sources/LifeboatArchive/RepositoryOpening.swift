import LifeboatCodec
public import LifeboatCore
public import LifeboatFormat
public import LifeboatStore
import LifeboatSystem

extension Repository {
    /// Opens a repository with whatever secrets are given, and checks configuration and roster.
    ///
    /// - Throws: `.noRepository`, `.wrongKey` when none of the secrets fits, `.damaged` when the
    ///   configuration is not what the root key signed, `.refused` when the root key was exchanged or
    ///   the repository was set back.
    public static func open(
        _ store: any ObjectStore, secret: WrappingSecret?, recovery: RecoveryKey?,
        stateRoot: String, cacheRoot: String
    ) throws(LifeboatError) -> Repository {
        try open(store, secret: secret, recovery: recovery) { id throws(LifeboatError) in
            let directories = try LocalDirectories(
                stateRoot: stateRoot, cacheRoot: cacheRoot, repository: id)
            // How far the repository is says nothing of its replica.
            let replica = try ReplicaRecord.all(directories).first {
                $0.location == ReplicaRecord.canonical(store.location)
            }
            return try replica.map { record throws(LifeboatError) in
                try directories.ofReplica(record.name)
            } ?? directories
        }
    }

    /// `local`: what this host keeps about the repository of this id; `spool`: where it is opened
    /// instead of at its own place.
    static func open(
        _ store: any ObjectStore, secret: WrappingSecret?, recovery: RecoveryKey?,
        spool: Spool? = nil, local: (Identifier) throws(LifeboatError) -> LocalDirectories
    ) throws(LifeboatError) -> Repository {
        var configurations = try ConfigurationChain.begin(store)
        let directories = try local(configurations.current.repository)
        let isReplica = try store.size(ObjectNames.replicaMark) != nil
        let seen = try TrustedNumbers.load(directories)
        // Read to the end after that, as another process of this host may have been ahead.
        _ = try configurations.extend(store)
        try seen?.check(configurations, directories, location: store.location)
        let rosters = try RosterChain.read(store, following: &configurations)
        try seen?.check(rosters, directories, location: store.location)
        let configuration = configurations.current
        var fullRecovery: RecoveryKey?
        if let recovery {
            try check(recovery, configurations, store)
            fullRecovery = try recovery.withEarlierSeeds(of: configuration)
        }
        var writer: WriterKeys?
        if let secret { writer = try unlock(store, secret, configurations) }
        if let writer,
            rosters.roster.member(writer.writer)?.publicKey != writer.signing.publicKey
        {
            throw LifeboatError(
                .refused, "member \(writer.writer) is not enrolled: it is not in the roster",
                subject: store.location,
                advice: "an enrolment that was interrupted is made again with: lifeboat key enrol")
        }
        // Without a secret nothing vouches for what is seen: it must not become what is trusted.
        if writer != nil || recovery != nil {
            try TrustedNumbers.remember(configurations, rosters, directories)
        }
        let domains = try domainKeys(configuration, writer, fullRecovery)
        let home = writer?.domain ?? configuration.domains[0].id
        return Repository(
            store: spool == nil ? locking(store, configuration) : store,
            configurations: configurations, rosters: rosters, writer: writer,
            recovery: fullRecovery, domain: domains[home], domains: domains,
            directories: directories, isReplica: isReplica, spool: spool)
    }

    /// The configuration in force.
    public static func readConfiguration(
        _ store: any ObjectStore
    ) throws(LifeboatError) -> Configuration {
        try ConfigurationChain.read(store).current
    }

    private static func check(
        _ recovery: RecoveryKey, _ configurations: ConfigurationChain, _ store: any ObjectStore
    ) throws(LifeboatError) {
        let configuration = configurations.current
        guard recovery.repository == configuration.repository else {
            throw LifeboatError(
                .wrongKey, "the recovery key belongs to repository \(recovery.repository)",
                subject: store.location,
                advice: "this is repository \(configuration.repository)")
        }
        if let replacement = configurations.replacement(ofRoot: recovery.root.publicKey) {
            throw LifeboatError(
                .wrongKey,
                "this recovery key was replaced by a rotation on "
                    + DateText.day(replacement.created),
                subject: store.location,
                advice: "give the newer one, which opens everything; this one opens nothing new")
        }
        guard recovery.root.publicKey == configuration.rootKey else {
            throw LifeboatError(
                .refused, "the configuration was not made with this recovery key's root",
                subject: store.location, advice: "do not trust this copy of the repository")
        }
        // Else every pack would look damaged.
        guard try RecoverySealing.publicKey(seed: recovery.seed) == configuration.recoveryKey
        else {
            throw LifeboatError(
                .wrongKey, "the recovery key is not the one that this repository is sealed to",
                subject: store.location)
        }
    }

    private static func unlock(
        _ store: any ObjectStore, _ secret: WrappingSecret, _ configurations: ConfigurationChain
    ) throws(LifeboatError) -> WriterKeys {
        var fault: LifeboatError?
        var tried: Set<KeySlot> = []
        // Only opening a slot checks what it holds. Behind a network a bit of it may have changed
        // on its way: one that comes otherwise the second time is tried, too.
        for _ in 0..<(store.parallelRequests > 1 ? 2 : 1) {
            for slot in try keySlots(store) {
                switch slot {
                case .success(let slot):
                    guard tried.insert(slot).inserted,
                        let keys = try KeySlotWrapping.unwrap(slot, with: secret)
                    else { continue }
                    // What follows the pinned root is signed down the chain.
                    guard keys.repository == configurations.current.repository,
                        configurations.hasRoot(keys.rootKey)
                    else {
                        throw LifeboatError(
                            .refused, "the root key of this repository is not the one pinned",
                            subject: store.location,
                            advice: "somebody exchanged the configuration; do not write to it")
                    }
                    return keys
                case .failure(let error): fault = error
                }
            }
        }
        if let fault { throw fault }
        throw LifeboatError(
            .wrongKey, "this password or key file opens no key slot", subject: store.location)
    }

    /// All key slots; those that cannot be read come as their errors.
    static func keySlots(
        _ store: any ObjectStore
    ) throws(LifeboatError) -> [Result<KeySlot, LifeboatError>] {
        var names: [ObjectName] = []
        try store.list(ObjectNames.keysPrefix) { name, _ throws(LifeboatError) in
            names.append(name)
        }
        var slots: [Result<KeySlot, LifeboatError>] = []
        for name in names {
            do throws(LifeboatError) {
                slots.append(.success(try keySlot(store, name)))
            } catch {
                slots.append(.failure(error.about(name.path)))
            }
        }
        return slots
    }

    private static func keySlot(
        _ store: any ObjectStore, _ name: ObjectName
    ) throws(LifeboatError) -> KeySlot {
        try store.get(name, limit: 65536) { bytes throws(LifeboatError) in
            let envelope = try Envelope(
                .keySlot, decoding: bytes, isSigned: false, subject: name.path)
            let slot = try KeySlot(payload: envelope.payload)
            guard ObjectNames.keySlot(slot.id) == name else {
                throw LifeboatError(
                    .damaged, "this key slot belongs elsewhere", subject: name.path)
            }
            return slot
        }
    }

    /// Every domain whose secret is at hand.
    private static func domainKeys(
        _ configuration: Configuration, _ writer: WriterKeys?, _ recovery: RecoveryKey?
    ) throws(LifeboatError) -> [Identifier: DomainKeys] {
        var domains: [Identifier: DomainKeys] = [:]
        if let recovery {
            for domain in configuration.domains {
                domains[domain.id] = try DomainKeys.open(
                    domain, repository: configuration.repository, with: recovery)
            }
        }
        if let writer {
            let secrets = writer.furtherSecrets.merging([writer.domain: writer.domainSecret]) {
                _, own in own
            }
            for (id, secret) in secrets {
                domains[id] = DomainKeys(
                    repository: configuration.repository, domain: id, secret: secret)
            }
        }
        return domains
    }
}
