import Testing

@testable import LifeboatCommand

@Suite struct ManualTests {
    @Test func `there is a page for lifeboat and for each command`() throws {
        let names = try ManualPage.all().map(\.fileName)
        let commands = [
            "init", "backup", "points", "show", "diff", "stats", "restore", "recover", "verify",
            "forget", "hold", "release", "tag", "prune", "session", "lock", "replica", "pull",
            "link", "suspend", "resume", "spool", "repo", "key", "index", "cache", "benchmark",
            "completions", "manual",
        ]
        #expect(names == ["lifeboat.1"] + commands.map { "lifeboat-\($0).1" })
    }

    @Test func `pages have the usual sections, and only known macros`() throws {
        let known: Set = ["TH", "SH", "SS", "TP", "PP", "RS", "RE", "EX", "EE"]
        for page in try ManualPage.all() {
            for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "ENVIRONMENT", "\"EXIT STATUS\""] {
                #expect(page.text.contains("\n.SH \(section)\n"), "\(page.fileName): \(section)")
            }
            var open = 0
            for line in page.text.split(separator: "\n") {
                #expect(!line.hasPrefix("'"), "\(page.fileName): \(line)")
                guard line.hasPrefix(".") else { continue }
                let name = String(line.dropFirst().prefix { $0 != " " })
                #expect(known.contains(name), "\(page.fileName): \(line)")
                if name == "EX" { open += 1 }
                if name == "EE" { open -= 1 }
                #expect((0...1).contains(open))
            }
            #expect(open == 0)
        }
    }

    @Test func `options stand in the page as they are typed`() throws {
        let page = try #require(try ManualPage.all().first { $0.fileName == "lifeboat-backup.1" })
        #expect(page.text.contains("\\fB\\-\\-changed\\-extents\\fR \\fIname=file\\fR"))
        #expect(page.text.contains("\\fB\\-r\\fR, \\fB\\-\\-repo\\fR"))
        #expect(page.text.contains("Default: 256MiB."))
    }

    @Test func `nested commands are sections of one page`() throws {
        let page = try #require(try ManualPage.all().first { $0.fileName == "lifeboat-key.1" })
        for name in ["add", "list", "remove"] { #expect(page.text.contains("\n.SS \(name)\n")) }
    }

    @Test func `text is escaped`() {
        #expect(Roff.escape(".a-b\\c") == "\\&.a\\-b\\ec")
    }

    @Test func `every command has an example`() throws {
        func check(_ command: ToolDescription.Command) {
            if command.visibleSubcommands.isEmpty {
                #expect(
                    command.discussion?.contains("  lifeboat ") == true, "\(command.commandName)")
            }
            command.visibleSubcommands.forEach(check)
        }
        check(try ToolDescription.current().command)
    }

    @Test(arguments: CompletionsCommand.Shell.allCases)
    func `completions know commands and options`(shell: CompletionsCommand.Shell) {
        for word in ["backup", "restore", "recovery-key-file", "changed-extents"] {
            #expect(shell.script.contains(word))
        }
    }
}
