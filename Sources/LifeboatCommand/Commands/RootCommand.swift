import ArgumentParser
import LifeboatCore

/// `lifeboat` itself: what stands above all subcommands.
struct RootCommand: ParsableCommand {
    /// Said in the help and in the manual.
    static let introduction = """
        lifeboat keeps recovery points of disks: encrypted, deduplicated, and restored bit for \
        bit or not at all. A host that backs up cannot read what it stored; only the recovery \
        key can, which belongs away from the host.

        Example, from nothing to a restored disk:

          export LIFEBOAT_REPO=/mnt/backup LIFEBOAT_PASSWORD_FILE=/root/password
          lifeboat init --recovery-key-file recovery.key
          lifeboat backup /var/lib/machines/web.img
          lifeboat points
          lifeboat restore latest web.img --recovery-key-file recovery.key
        """

    static let configuration = CommandConfiguration(
        commandName: "lifeboat",
        abstract: "Back up disks into an encrypted repository, and get them back.",
        discussion: introduction + "\n\n" + epilogue,
        version: Version.number,
        subcommands: [
            InitCommand.self, BackupCommand.self, PointsCommand.self, ShowCommand.self,
            DiffCommand.self, StatsCommand.self, RestoreCommand.self, RecoverCommand.self,
            ServeCommand.self, MountCommand.self, FilesCommand.self, MachinesCommand.self,
            DoctorCommand.self, VerifyCommand.self, ForgetCommand.self, HoldCommand.self,
            ReleaseCommand.self, TagCommand.self, PruneCommand.self, SessionCommand.self,
            LockCommand.self, ReplicaCommand.self, PullCommand.self, LinkCommand.self,
            SuspendCommand.self, ResumeCommand.self, SpoolCommand.self, RepoCommand.self,
            KeyCommand.self, IndexCommand.self, CacheCommand.self, BenchmarkCommand.self,
            CompletionsCommand.self, GuardianCommand.self, ManualCommand.self,
        ])

    static var _errorPrefix: String { "lifeboat: " }

    private static var epilogue: String {
        let codes = ExitStatus.allCases.map { status in
            let number = String(status.rawValue)
            let padding = String(repeating: " ", count: 5 - number.count)
            return "  \(number)\(padding)\(status.meaning)"
        }
        return "Exit codes:\n\n" + codes.joined(separator: "\n")
    }
}
