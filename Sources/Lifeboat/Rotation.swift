import LifeboatArchive
import LifeboatCodec
public import LifeboatCore
import LifeboatFormat
import LifeboatStore
import LifeboatSystem

extension Operations {
    /// Replaces the recovery key by a new one, which is written to a new file first.
    ///
    /// Interrupted anywhere, either the old or the new key is in force, and both files are there.
    /// `written` gets the new key, to print it, before it comes into force.
    /// - Throws: `.wrongKey` when the key at hand is not the one in force; `.exists`.
    public func rotate(
        to newRecoveryKeyFile: String,
        written: (RotationResult) throws(LifeboatError) -> Void = { _ in }
    ) throws(LifeboatError) -> RotationResult {
        let repository = try openRepository(readsOnly: true)
        _ = try repository.requireRecovery()
        guard !Files.exists(newRecoveryKeyFile) else {
            throw LifeboatError(
                .exists, "the new recovery key file exists already", subject: newRecoveryKeyFile,
                advice: "the old key is still in force; name another file for the new one")
        }
        let new = RecoveryKey.generate(repository: repository.id)
        // The new key is written first: what is stored from then on only it can read.
        try Files.writeAtomically(
            newRecoveryKeyFile, Array(RecoveryKeyText.file(new.bytes).utf8), mode: 0o600,
            replace: false)
        let result = RotationResult(
            repository: repository.id, location: repository.store.location,
            fingerprint: try new.fingerprint(), recoveryKeyFile: newRecoveryKeyFile,
            recoveryKeyLines: RecoveryKeyText.lines(new.bytes),
            recoveryKeyCode: RecoveryKeyText.code(new.bytes))
        try written(result)
        do throws(LifeboatError) {
            _ = try repository.rotate(to: new)
        } catch {
            throw LifeboatError(
                error.code, error.message, subject: error.subject, cause: error.cause,
                advice: try? advice(repository, new, newRecoveryKeyFile))
        }
        return result
    }

    /// Which key is in force after a rotation that failed.
    private func advice(
        _ repository: Repository, _ new: RecoveryKey, _ path: String
    ) throws(LifeboatError) -> String {
        let fingerprint = Repository.fingerprint(
            try Repository.readConfiguration(repository.store))
        return fingerprint == (try new.fingerprint())
            ? "the key in \(path) is in force"
            : "the key in \(path) is not in force and opens nothing"
    }
}
