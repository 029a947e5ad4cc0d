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
    public let configuration: Configuration
    public let roster: Roster
    /// `nil` without a password or key file.
    public let writer: WriterKeys?
    /// `nil` without a recovery key.
    public let recovery: RecoveryKey?
    /// The domain's keys; `nil` when the repository was opened without any secret.
    public let domain: DomainKeys?
    public let directories: LocalDirectories

    init(
        store: any ObjectStore, configuration: Configuration, roster: Roster,
        writer: WriterKeys?, recovery: RecoveryKey?, domain: DomainKeys?,
        directories: LocalDirectories
    ) {
        self.store = store
        self.configuration = configuration
        self.roster = roster
        self.writer = writer
        self.recovery = recovery
        self.domain = domain
        self.directories = directories
    }

    public var id: Identifier { configuration.repository }
    public var chunkSize: Int { configuration.chunkSize }

    /// What `fingerprint` shows of root and recovery key, for people to compare.
    public var fingerprint: String { Self.fingerprint(configuration) }

    public static func fingerprint(_ configuration: Configuration) -> String {
        let hex = SHA256Hash.digest(configuration.rootKey + configuration.recoveryKey).hex
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

    public func requireWriter() throws(LifeboatError) -> WriterKeys {
        guard let writer else {
            throw LifeboatError(
                .wrongKey, "this needs the password or key file of a writer",
                subject: store.location,
                advice: "give --password-file, --password-command or --key-file")
        }
        return writer
    }

    public func requireRecovery() throws(LifeboatError) -> RecoveryKey {
        guard let recovery else {
            throw LifeboatError(
                .wrongKey, "reading data back needs the recovery key", subject: store.location,
                advice: "give --recovery-key-file")
        }
        return recovery
    }
}
