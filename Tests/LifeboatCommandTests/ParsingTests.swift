import ArgumentParser
import Lifeboat
import LifeboatCore
import Testing

@testable import LifeboatCommand

@Suite struct ParsingTests {
    private func parse<Command>(_ type: Command.Type, _ arguments: String...) throws -> Command {
        try #require(try RootCommand.parseAsRoot(arguments) as? Command)
    }

    @Test func `backup takes all its options`() throws {
        let command = try parse(
            BackupCommand.self, "backup", "--machine", "web", "root=/dev/a", "b.img", "--parent",
            "4f1c", "--tag", "k=v", "--tag", "l=w", "--changed-extents", "root=ext.txt",
            "--dry-run", "--compression-level", "7", "--no-fingerprints", "--audit-chunks", "0",
            "--audit-bytes", "1MiB", "--memory", "1.5GiB", "--threads", "3", "-r", "/repo", "-q")
        let options = try command.options(host: "here")
        #expect(options.machine == "web")
        #expect(options.sources.map(\.name) == ["root", "b.img"])
        #expect(options.parent == "4f1c")
        #expect(options.tags == ["k": "v", "l": "w"])
        #expect(options.changedExtents == ["root": "ext.txt"])
        #expect(options.isDryRun && !options.usesFingerprints)
        #expect(options.compressionLevel == 7)
        #expect(options.auditChunks == 0)
        #expect(options.auditBytes == 1 << 20)
        #expect(options.memory == 3 << 29)
        #expect(options.threads == 3)
        #expect(command.repository.repository == "/repo")
        #expect(command.output.quiet)
    }

    @Test func `the machine is this host by default`() throws {
        let command = try parse(BackupCommand.self, "backup", "a.img")
        #expect(try command.options(host: "here").machine == "here")
        #expect(try command.options(host: "here").memory == 256 << 20)
    }

    @Test func `standard input and output are arguments`() throws {
        #expect(try parse(BackupCommand.self, "backup", "-").volumes == ["-"])
        let restore = try parse(RestoreCommand.self, "restore", "latest", "-")
        #expect(restore.writesData)
    }

    @Test func `restore takes a point, a target and volumes`() throws {
        let command = try parse(
            RestoreCommand.self, "restore", "latest", "/out", "--volume", "a", "--volume", "b",
            "--in-place", "--resume", "--no-verify", "--machine", "web", "--recovery-key-file", "k")
        let options = try command.options()
        #expect(options.point == "latest" && options.target == "/out")
        #expect(options.volumes == ["a", "b"])
        #expect(options.isInPlace && options.resumes && !options.verifies)
        #expect(options.filter.machine == "web")
        #expect(command.recoveryKey.file == "k")
    }

    @Test func `verify has one depth`() throws {
        guard case .structure = try parse(VerifyCommand.self, "verify").options.depth,
            case .data = try parse(VerifyCommand.self, "verify", "--read-data").options.depth,
            case .keyless = try parse(VerifyCommand.self, "verify", "--keyless").options.depth,
            case .sample(percent: 5) =
                try parse(VerifyCommand.self, "verify", "--sample", "5").options.depth
        else {
            Issue.record("a depth is not what was asked for")
            return
        }
    }

    @Test(arguments: [
        ["backup"], ["backup", "a=x", "a=y"], ["backup", "a", "--tag", "k"],
        ["backup", "a=x", "b=x", "-", "c=-"],
        ["backup", "a", "--changed-extents", "b=f"], ["backup", "a", "--compression-level", "20"],
        ["backup", "a", "--memory", "lots"], ["backup", "a", "--memory", "1MiB"],
        ["backup", "a", "--password-file", "f", "--password-command", "c"],
        ["backup", "a", "--password-file", "f", "--key-file", "k"],
        ["backup", "a", "--quiet", "--verbose"], ["backup", "a", "--progress", "often"],
        ["init"], ["init", "--recovery-key-file", "k", "--chunk-size", "65KiB"],
        ["init", "--recovery-key-file", "k", "--chunk-size", "8MiB"],
        ["restore", "latest"], ["restore", "latest", "-", "--in-place"],
        ["restore", "latest", "t", "--volume", "a", "--volume", "a"],
        ["verify", "--replica", "attic"], ["pull", "/old", "--from-recovery-key-file", "k"],
        ["pull", "/old", "latest", "--all", "--from-recovery-key-file", "k"],
        ["pull", "/old", "--all"],
        ["replica", "add", "attic"], ["replica", "add", "attic", "/a", "--tag", "x"],
        ["verify", "--read-data", "--keyless"], ["verify", "--sample", "0"],
        ["verify", "--keyless", "--recovery-key-file", "k"],
        ["key", "add", "--new-key-file", "a", "--new-password-file", "b"],
        ["benchmark", "--seconds", "0"], ["completions", "tcsh"], ["nonsense"],
        ["stats", "--limit-upload", "20MB"], ["stats", "--limit-download", "fast"],
        ["stats", "--source-address", "10.0.0.1", "--interface", "eth0"],
        ["stats", "--interface", ""], ["stats", "--source-address", "host!name"],
        ["link", "limit", "a"], ["link", "limit", "a", "--clear", "--upload", "1MB/s"],
        ["link", "limit", "--clear"], ["suspend"], ["resume"],
        ["backup", "a", "--spool", "/s"], ["backup", "a", "--spool-size", "1GiB"],
        ["backup", "a", "--spool", "/s", "--spool-size", "0"],
        ["spool", "drop"], ["spool", "drop", "4f1c", "--all"], ["spool", "list", "--spool", ""],
    ])
    func `a wrong command line is a usage error`(arguments: [String]) throws {
        let error = try #require(throws: (any Error).self) {
            try RootCommand.parseAsRoot(arguments)
        }
        let failure = ParsingReport(error, arguments: arguments).failure
        #expect(failure?.code == .usage)
        #expect(failure?.message.isEmpty == false)
    }

    @Test(arguments: [["--help"], ["--version"], ["backup", "--help"], ["help", "restore"]])
    func `help and version are no errors`(arguments: [String]) throws {
        do {
            var command = try RootCommand.parseAsRoot(arguments)
            try command.run()
        } catch {
            #expect(ParsingReport(error, arguments: arguments).failure == nil)
        }
    }

    @Test func `json is asked for before two dashes only`() {
        #expect(ParsingReport.asksForJSON(["backup", "--json", "--foo"]))
        #expect(!ParsingReport.asksForJSON(["backup", "--", "--json"]))
    }

    @Test(
        arguments: [
            ("64KiB", 65536), ("64K", 65536), ("65536", 65536), ("1.5GiB", 1_610_612_736),
            ("100MB", 100_000_000),
        ] as [(String, UInt64)])
    func `sizes have units`(text: String, bytes: UInt64) {
        #expect(ByteCountArgument(argument: text)?.bytes == bytes)
    }

    @Test func `a default size can be typed`() {
        #expect(ByteCountArgument(256 << 20).defaultValueDescription == "256MiB")
        #expect(ByteCountArgument(1500).defaultValueDescription == "1500")
    }

    @Test func `members and rotations`() throws {
        let enrol = try parse(
            KeyEnrolCommand.self, "key", "enrol", "--role", "keeper", "--domain", "new", "--label",
            "k", "--new-key-file", "f", "--recovery-key-file", "r")
        #expect(enrol.role.role == .keeper && enrol.domain == "new" && enrol.label == "k")
        #expect(enrol.newSecret.keyFile == "f" && enrol.recoveryKeyFile == "r")
        let revoke = try parse(
            KeyRevokeCommand.self, "key", "revoke", "9c0d", "--recovery-key-file", "r")
        #expect(revoke.member == "9c0d")
        let rotate = try parse(
            KeyRotateCommand.self, "key", "rotate", "--recovery-key-file", "a",
            "--new-recovery-key-file", "b")
        #expect(rotate.recoveryKeyFile == "a" && rotate.newRecoveryKeyFile == "b")
        for wrong in [
            ["key", "enrol", "--recovery-key-file", "r"],
            ["key", "enrol", "--role", "owner", "--recovery-key-file", "r"],
            ["key", "enrol", "--role", "writer"], ["key", "revoke", "9c0d"],
            ["key", "rotate", "--recovery-key-file", "a"],
            ["key", "rotate", "--recovery-key-file", "a", "--new-recovery-key-file", "-"],
        ] {
            #expect(throws: (any Error).self) { _ = try RootCommand.parseAsRoot(wrong) }
        }
    }

    private static let durationTable: [(String, UInt64)] = [
        ("0", 0), ("90s", 90_000), ("30m", 1_800_000), ("24h", 86_400_000), ("7d", 604_800_000),
    ]

    @Test(arguments: durationTable) func `durations`(text: String, milliseconds: UInt64) throws {
        #expect(DurationArgument(argument: text)?.milliseconds == milliseconds)
        let again = DurationArgument(milliseconds: milliseconds).defaultValueDescription
        #expect(DurationArgument(argument: again)?.milliseconds == milliseconds)
        let command = try parse(
            InitCommand.self, "init", "--recovery-key-file", "k", "--minimum-age", text)
        #expect(command.minimumAge.milliseconds == milliseconds)
    }

    @Test(arguments: [
        "", "h", "24", "-1h", "1.5h", "1w", "24 h", "٣d", "99999999999999999999d", "365001d",
    ])
    func `what is no duration is refused`(text: String) {
        #expect(DurationArgument(argument: text) == nil)
    }
}
