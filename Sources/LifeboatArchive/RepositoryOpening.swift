import LifeboatCodec
public import LifeboatCore
public import LifeboatFormat
public import LifeboatStore
import LifeboatSystem

extension Repository {
    /// Opens a repository with whatever secrets are given, and checks configuration and roster.
    ///
    /// - Throws: `.noRepository`, `.wrongKey` when none of the secrets fits, `.damaged` when the
    ///   configuration is not what the root key signed, `.refused` when the root key changed.
    public static func open(
        _ store: any ObjectStore, secret: WrappingSecret?, recovery: RecoveryKey?,
        stateRoot: String, cacheRoot: String
    ) throws(LifeboatError) -> Repository {
        let configuration = try readConfiguration(store)
        if let recovery {
            guard recovery.repository == configuration.repository else {
                throw LifeboatError(
                    .wrongKey, "the recovery key belongs to repository \(recovery.repository)",
                    subject: store.location,
                    advice: "this is repository \(configuration.repository)")
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
        var writer: WriterKeys?
        if let secret { writer = try unlock(store, secret, configuration) }
        let roster = try readRoster(store, configuration)
        if let writer, roster.member(writer.writer)?.publicKey != writer.signing.publicKey {
            throw LifeboatError(
                .refused, "writer \(writer.writer) is not in the roster", subject: store.location)
        }
        let domain = try domainKeys(configuration, writer, recovery)
        return Repository(
            store: store, configuration: configuration, roster: roster, writer: writer,
            recovery: recovery, domain: domain,
            directories: try LocalDirectories(
                stateRoot: stateRoot, cacheRoot: cacheRoot, repository: configuration.repository))
    }

    public static func readConfiguration(
        _ store: any ObjectStore
    ) throws(LifeboatError) -> Configuration {
        guard let number = try highest(store, ObjectNames.configurationPrefix) else {
            throw LifeboatError(
                .noRepository, "no repository here", subject: store.location,
                advice: "make one with: lifeboat init")
        }
        let name = ObjectNames.configuration(number)
        let bytes = try store.get(name, limit: Envelope.byteLimit)
        let envelope = try Envelope(
            .configuration, decoding: bytes, isSigned: true, subject: name.path)
        let configuration = try Configuration(payload: envelope.payload)
        guard
            Signature.isValid(
                envelope.signature, of: envelope.signedBytes, by: configuration.rootKey)
        else {
            throw LifeboatError(
                .damaged, "the signature of the configuration is wrong", subject: name.path,
                advice: "take this object from another copy of the repository")
        }
        return configuration
    }

    static func readRoster(
        _ store: any ObjectStore, _ configuration: Configuration
    ) throws(LifeboatError) -> Roster {
        guard let number = try highest(store, ObjectNames.rosterPrefix) else {
            throw LifeboatError(
                .damaged, "the roster is missing", subject: ObjectNames.roster(1).path,
                advice: "take it from another copy of the repository")
        }
        let name = ObjectNames.roster(number)
        let bytes = try store.get(name, limit: Envelope.byteLimit)
        let envelope = try Envelope(.roster, decoding: bytes, isSigned: true, subject: name.path)
        let roster = try Roster(payload: envelope.payload)
        guard roster.repository == configuration.repository, roster.number == number,
            Signature.isValid(
                envelope.signature, of: envelope.signedBytes, by: configuration.rootKey)
        else {
            throw LifeboatError(
                .damaged, "the roster is not what the root key signed", subject: name.path,
                advice: "take this object from another copy of the repository")
        }
        return roster
    }

    private static func highest(
        _ store: any ObjectStore, _ prefix: String
    ) throws(LifeboatError) -> UInt64? {
        var highest: UInt64?
        try store.list(prefix) { name, _ throws(LifeboatError) in
            if let number = UInt64(name.path.dropFirst(prefix.count)) {
                highest = max(highest ?? 0, number)
            }
        }
        return highest
    }

    private static func unlock(
        _ store: any ObjectStore, _ secret: WrappingSecret, _ configuration: Configuration
    ) throws(LifeboatError) -> WriterKeys {
        var fault: LifeboatError?
        for slot in try keySlots(store) {
            switch slot {
            case .success(let slot):
                guard let keys = try KeySlotWrapping.unwrap(slot, with: secret) else { continue }
                guard keys.repository == configuration.repository,
                    keys.rootKey == configuration.rootKey
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
                let bytes = try store.get(name, limit: 65536)
                let envelope = try Envelope(
                    .keySlot, decoding: bytes, isSigned: false, subject: name.path)
                let slot = try KeySlot(payload: envelope.payload)
                guard ObjectNames.keySlot(slot.id) == name else {
                    throw LifeboatError(
                        .damaged, "this key slot belongs elsewhere", subject: name.path)
                }
                slots.append(.success(slot))
            } catch {
                slots.append(.failure(error.about(name.path)))
            }
        }
        return slots
    }

    private static func domainKeys(
        _ configuration: Configuration, _ writer: WriterKeys?, _ recovery: RecoveryKey?
    ) throws(LifeboatError) -> DomainKeys? {
        if let writer {
            return DomainKeys(
                repository: configuration.repository, domain: writer.domain,
                secret: writer.domainSecret)
        }
        guard let recovery, let sealed = configuration.domains.first else { return nil }
        let secret = try RecoverySealing.open(
            encapsulation: sealed.encapsulation, sealed: sealed.sealedSecret, seed: recovery.seed,
            info: DomainKeys.secretInfo(
                repository: configuration.repository, domain: sealed.id))
        return DomainKeys(
            repository: configuration.repository, domain: sealed.id, secret: secret)
    }
}
