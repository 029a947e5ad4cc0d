import ArgumentParser
import Lifeboat
import LifeboatCore

/// A password or key file that is to be made; without any of these, the terminal is asked.
struct NewSecretOptions: ParsableArguments {
    @Option(
        name: .customLong("new-password-file"),
        help: ArgumentHelp(
            "The new password is the first line of this file.", valueName: "file"),
        completion: .file())
    var passwordFile: String?

    @Option(
        name: .customLong("new-password-command"),
        help: ArgumentHelp(
            "The new password is the first line that this shell command prints.",
            valueName: "command"))
    var passwordCommand: String?

    @Option(
        name: .customLong("new-key-file"),
        help: ArgumentHelp(
            "Write a new key file, of mode 0600 and never over an existing file.",
            valueName: "file"), completion: .file())
    var keyFile: String?

    func validate() throws {
        if [passwordFile, passwordCommand, keyFile].count(where: { $0 != nil }) > 1 {
            throw ValidationError(
                "give one of --new-password-file, --new-password-command and --new-key-file")
        }
    }

    /// Fetches the password; a key file is only named.
    func secret(_ run: Invocation) throws(LifeboatError) -> RepositoryAccess.Secret {
        if let keyFile {
            guard !LocalFile.exists(keyFile) else {
                throw LifeboatError(
                    .exists, "\(keyFile) exists already and is not overwritten", subject: keyFile,
                    advice: "name another file, or move this one away")
            }
            return .keyFile(keyFile)
        }
        return .password(try source.newPassword(run))
    }

    private var source: SecretSource {
        if let passwordFile { return .passwordFile(passwordFile) }
        if let passwordCommand { return .passwordCommand(passwordCommand) }
        return .terminal
    }
}
