import ArgumentParser
import Lifeboat
import LifeboatCore

/// `init`: makes a repository, and the recovery key that alone can read it.
struct InitCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Make a repository, and the recovery key that reads it.",
        discussion: """
            Makes this host the repository's first writer. Writes the recovery key to a new file \
            of mode 0600, and next to it, with .html at the end of its name, a page to print. \
            Neither is ever written over an existing file. Move both off this machine: without \
            the recovery key nothing can be read back.

            Example:

              lifeboat init --repo /mnt/backup --recovery-key-file recovery.key
            """)

    @Option(
        name: .customLong("chunk-size"),
        help: ArgumentHelp(
            """
            The unit of deduplication, in bytes: a power of two from 16KiB to 4MiB. It cannot be \
            changed later.
            """, valueName: "size"))
    var chunkSize = ByteCountArgument(64 << 10)

    @Option(
        name: .customLong("recovery-key-file"),
        help: ArgumentHelp("A new file for the recovery key.", valueName: "file"),
        completion: .file())
    var recoveryKeyFile: String

    @Option(
        name: .customLong("new-key-file"),
        help: ArgumentHelp(
            "Write a new key file that opens the repository, instead of a password.",
            valueName: "file"), completion: .file())
    var newKeyFile: String?

    @Option(
        name: .customLong("key-label"),
        help: ArgumentHelp("A label for the password or key file.", valueName: "text"))
    var keyLabel = "first"

    @Option(
        name: .customLong("minimum-age"),
        help: ArgumentHelp(
            "No point younger than this can ever be forgotten, such as 24h or 7d.",
            valueName: "duration"))
    var minimumAge = DurationArgument(milliseconds: 86_400_000)

    @Option(
        name: .customLong("immutable"),
        help: ArgumentHelp(
            """
            Lock every object in the store for so long, such as 30d: nobody can delete or change it \
            before. Needs an S3 store with object lock.
            """, valueName: "duration"))
    var lockDuration: DurationArgument?

    @OptionGroup var password: PasswordOptions
    @OptionGroup var repository: RepositoryOptions
    @OptionGroup var output: OutputOptions

    private static let chunkSizes: ClosedRange<UInt64> = 16 << 10...4 << 20

    func validate() throws {
        let size = chunkSize.bytes
        guard Self.chunkSizes.contains(size), size & (size - 1) == 0 else {
            throw ValidationError("--chunk-size must be a power of two from 16KiB to 4MiB")
        }
        if newKeyFile != nil, password.file != nil || password.command != nil {
            throw ValidationError("give a password or --new-key-file, not both")
        }
        if recoveryKeyFile.isEmpty || recoveryKeyFile == "-" {
            throw ValidationError("--recovery-key-file must name a file")
        }
    }

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        try run.check(repository)
        let page = recoveryKeyFile + ".html"
        for path in [recoveryKeyFile, page] + (newKeyFile.map { [$0] } ?? [])
        where LocalFile.exists(path) {
            throw LifeboatError(
                .exists, "\(path) exists already and is not overwritten", subject: path,
                advice: "name another file, or move this one away")
        }
        let operations = try run.operations(repository, secret: try secret(run))
        let result = try operations.initialise(
            chunkSize: Int(chunkSize.bytes), recoveryKeyFile: recoveryKeyFile, keyLabel: keyLabel,
            memberLabel: HostName.current, minimumAge: minimumAge.milliseconds,
            lockDuration: lockDuration?.milliseconds ?? 0)
        return Report(
            result, page: RecoveryPage(result, time: RecoveryPage.now).write(page, run.console))
    }

    private func secret(_ run: Invocation) throws(LifeboatError) -> RepositoryAccess.Secret {
        if let newKeyFile { return .keyFile(newKeyFile) }
        let variable = run.environment["LIFEBOAT_PASSWORD_FILE"].map(SecretSource.passwordFile)
        let source = SecretSource(password) ?? variable ?? .terminal
        return .password(try source.newPassword(run))
    }
}
