import ArgumentParser
import LifeboatCore

/// A password from a file or a command.
struct PasswordOptions: ParsableArguments {
    @Option(
        name: .customLong("password-file"),
        help: ArgumentHelp(
            "The password is the first line of this file. Or LIFEBOAT_PASSWORD_FILE.",
            valueName: "file"), completion: .file())
    var file: String?

    @Option(
        name: .customLong("password-command"),
        help: ArgumentHelp(
            "The password is the first line that this shell command prints within 60 seconds.",
            valueName: "command"))
    var command: String?

    func validate() throws {
        if file != nil, command != nil {
            throw ValidationError("give one of --password-file and --password-command")
        }
    }
}

/// What opens a repository that exists; without any of these, the terminal is asked.
struct SecretOptions: ParsableArguments {
    @OptionGroup var password: PasswordOptions

    @Option(
        name: .customLong("key-file"),
        help: ArgumentHelp(
            "A key file that opens the repository instead of a password. Or LIFEBOAT_KEY_FILE.",
            valueName: "file"), completion: .file())
    var keyFile: String?

    func validate() throws {
        if keyFile != nil, password.file != nil || password.command != nil {
            throw ValidationError("give one password or one key file, not both")
        }
    }
}

/// The recovery key, for what reads data back.
struct RecoveryKeyOptions: ParsableArguments {
    @Option(
        name: .customLong("recovery-key-file"),
        help: ArgumentHelp(
            "The recovery key that init wrote. It suffices alone, without a password.",
            valueName: "file"), completion: .file())
    var file: String?
}
