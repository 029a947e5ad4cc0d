import LifeboatArchive
import LifeboatCodec
public import LifeboatCore
public import LifeboatFormat
import LifeboatStore
import LifeboatSystem

extension Operations {
    /// Makes a repository, and writes its recovery key to a new file that only its owner reads.
    ///
    /// `memberLabel` is what people call the first writer; `minimumAge`, in milliseconds, is how old
    /// a point must be to be forgotten; `lockDuration`, in milliseconds, how long the store locks
    /// every object, 0 for not at all.
    /// `access.secret` becomes the first password, or names a key file that is made.
    /// - Throws: `.exists` when the repository or the recovery key file is there already, `.refused`
    ///   when objects are to be locked where nothing can.
    public func initialise(
        chunkSize: Int, recoveryKeyFile: String, keyLabel: String, memberLabel: String = "",
        minimumAge: UInt64 = Configuration.defaultMinimumAge, lockDuration: UInt64 = 0
    ) throws(LifeboatError) -> InitialisationResult {
        guard !Files.exists(recoveryKeyFile) else {
            throw LifeboatError(
                .exists, "the recovery key file exists already", subject: recoveryKeyFile,
                advice: "it may be the only key to another repository; choose another name")
        }
        let store = try access.store(
            makes: true, locks: lockDuration > 0, events: events, cancellation: cancellation)
        let recovery = RecoveryKey.generate(repository: .random())
        // The recovery key is written first: a repository that nobody can read must not be.
        try Files.writeAtomically(
            recoveryKeyFile, Array(RecoveryKeyText.file(recovery.bytes).utf8), mode: 0o600,
            replace: false)
        var keyFile: String?
        do throws(LifeboatError) {
            let secret: WrappingSecret
            switch access.secret {
            case .password(let password): secret = .password(password)
            case .keyFile(let path):
                secret = .keyFile(try KeyFile.create(path))
                keyFile = path
            case .none, .recoveryKey:
                throw LifeboatError(.usage, "a new repository needs a password or a key file")
            }
            try Repository.create(
                in: store, recovery: recovery, chunkSize: chunkSize, secret: secret,
                keyLabel: keyLabel, memberLabel: memberLabel, minimumAge: minimumAge,
                lockDuration: lockDuration)
        } catch {
            // Nothing was made that these keys could open.
            try? Files.remove(recoveryKeyFile)
            if let keyFile { try? Files.remove(keyFile) }
            throw error
        }
        let configuration = try Repository.readConfiguration(store)
        return InitialisationResult(
            repository: configuration.repository, location: store.location,
            chunkSize: configuration.chunkSize,
            fingerprint: Repository.fingerprint(configuration), recoveryKeyFile: recoveryKeyFile,
            recoveryKeyLines: RecoveryKeyText.lines(recovery.bytes),
            recoveryKeyCode: RecoveryKeyText.code(recovery.bytes))
    }
}
