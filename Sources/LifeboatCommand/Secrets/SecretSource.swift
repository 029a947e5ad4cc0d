import Lifeboat
import LifeboatCodec
import LifeboatCore

/// Where the secret that opens a repository comes from.
///
/// The order: `--password-file`, `--password-command` or `--key-file`; else
/// `LIFEBOAT_PASSWORD_FILE`; else `LIFEBOAT_KEY_FILE`; else the recovery key, where it is given;
/// else the terminal.
enum SecretSource: Equatable {
    case passwordFile(String)
    case passwordCommand(String)
    case keyFile(String)
    case recoveryKey(String)
    case terminal

    init(_ options: SecretOptions, recoveryKeyFile: String?, environment: Environment) {
        if let given = SecretSource(options.password) {
            self = given
        } else if let path = options.keyFile {
            self = .keyFile(path)
        } else if let path = environment["LIFEBOAT_PASSWORD_FILE"] {
            self = .passwordFile(path)
        } else if let path = environment["LIFEBOAT_KEY_FILE"] {
            self = .keyFile(path)
        } else if let recoveryKeyFile {
            self = .recoveryKey(recoveryKeyFile)
        } else {
            self = .terminal
        }
    }

    /// A password that the command line names; `nil` if it names none.
    init?(_ options: PasswordOptions) {
        if let path = options.file {
            self = .passwordFile(path)
        } else if let command = options.command {
            self = .passwordCommand(command)
        } else {
            return nil
        }
    }

    /// Fetches the secret.
    func secret(_ run: Invocation) throws(LifeboatError) -> RepositoryAccess.Secret {
        switch self {
        case .passwordFile(let path): .password(try PasswordFile.read(path, console: run.console))
        case .passwordCommand(let command):
            .password(try PasswordCommand(command).run(cancellation: run.cancellation))
        case .keyFile(let path): .keyFile(path)
        case .recoveryKey(let path): .recoveryKey(path)
        case .terminal:
            .password(try PasswordPrompt(cancellation: run.cancellation).ask("password"))
        }
    }

    /// Fetches a password that is to be set: from the terminal it is asked for twice.
    func newPassword(_ run: Invocation) throws(LifeboatError) -> SecretBytes {
        switch self {
        case .passwordFile(let path): try PasswordFile.read(path, console: run.console)
        case .passwordCommand(let command):
            try PasswordCommand(command).run(cancellation: run.cancellation)
        case .terminal, .keyFile, .recoveryKey:
            try PasswordPrompt(cancellation: run.cancellation).askTwice("new password")
        }
    }
}
