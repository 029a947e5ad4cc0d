import ArgumentParser
import Lifeboat
import LifeboatCore

/// `lock`: what the store keeps from being deleted.
struct LockCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lock",
        abstract: "See, extend and restore what the store keeps from being deleted.",
        discussion: """
            In a repository that was made with init --immutable the store locks every object for a \
            time. Nobody can shorten that, whatever credentials they have.
            """,
        subcommands: [LockStatusCommand.self, LockExtendCommand.self, LockRestoreCommand.self])
}

/// `lock status`.
struct LockStatusCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Ask the store what it locks, and what somebody hid.",
        discussion: """
            Asks about a sample of the objects that points need. Lists what somebody deleted or \
            overwrote in the store; what was stored first is still there, and is what is read.

            Example:

              lifeboat lock status --all
            """)

    @Flag(help: "Ask about every object, which takes a request each.")
    var all = false

    @OptionGroup var recoveryKey: RecoveryKeyOptions
    @OptionGroup var secret: SecretOptions
    @OptionGroup var repository: RepositoryOptions
    @OptionGroup var output: OutputOptions

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        let operations = try run.operations(
            repository, secret, recoveryKeyFile: recoveryKey.file)
        return Report(try operations.lockStatus(all: all))
    }
}

/// `lock extend`.
struct LockExtendCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "extend", abstract: "Lock anew what points need.",
        discussion: """
            Backups do not store again what is stored already, so its locks must be extended before \
            they end: run this often enough, or prune --extend-locks. What no point needs any more is \
            left to its lock's end. Takes a request for each object.

            Example:

              lifeboat lock extend --for 60d
            """)

    @Option(
        name: .customLong("for"),
        help: ArgumentHelp(
            "For how long from now on, such as 60d, instead of what init --immutable said.",
            valueName: "duration"))
    var duration: DurationArgument?

    @OptionGroup var recoveryKey: RecoveryKeyOptions
    @OptionGroup var secret: SecretOptions
    @OptionGroup var repository: RepositoryOptions
    @OptionGroup var output: OutputOptions

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        let operations = try run.operations(
            repository, secret, recoveryKeyFile: recoveryKey.file)
        let result = try operations.extendLocks(duration: duration?.milliseconds)
        var report = Report(result)
        if result.failedObjects > 0 { report.status = .partlyDone }
        return report
    }
}

/// `lock restore`.
struct LockRestoreCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "restore", abstract: "Undo what somebody deleted or overwrote in the store.",
        discussion: """
            Removes the marks of deletions and the versions that were put over others, as far as they \
            are not locked. lifeboat reads what was stored first in any case; other programs, such as \
            those that copy the bucket, do not.

            Example:

              lifeboat lock restore
            """)

    @OptionGroup var recoveryKey: RecoveryKeyOptions
    @OptionGroup var secret: SecretOptions
    @OptionGroup var repository: RepositoryOptions
    @OptionGroup var output: OutputOptions

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        let operations = try run.operations(
            repository, secret, recoveryKeyFile: recoveryKey.file)
        return Report(try operations.restoreMeddled())
    }
}
