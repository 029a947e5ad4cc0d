import ArgumentParser
@testable import Lifeboat
import LifeboatCore
import Testing

@testable import LifeboatCommand

@Suite struct RecoveryKeyPartTests {
    private static func result(needed: Int = 2) -> RecoveryKeySplitResult {
        RecoveryKeySplitResult(
            repository: Samples.identifier, set: "5f3a", needed: needed,
            parts: (1...3).map { number in
                RecoveryKeySplitResult.Part(
                    number: number, file: "d/recovery-part-\(number).txt",
                    lines: ["lifeboat recovery key part \(number)", "set 5f3a <&>"] + Samples.key,
                    code: "LIFEBOAT-RECOVERY-PART-0:" + String(repeating: "0A", count: 103))
            })
    }
    private let id = String(repeating: "ab", count: 16)

    @Test func `split as json`() {
        let report = Report(split: Self.result(), pages: ["a", nil, "c"], recoveryKeyFile: "k")
        #expect(
            report.json.text
                == #"{"repository":"\#(id)","set":"5f3a","needed":2,"total":3,"parts":["#
                + #"{"part":1,"file":"d/recovery-part-1.txt","page":"a"},"#
                + #"{"part":2,"file":"d/recovery-part-2.txt","page":null},"#
                + #"{"part":3,"file":"d/recovery-part-3.txt","page":"c"}]}"#)
        #expect(report.status == .partlyDone)
        #expect(
            Report(split: Self.result(), pages: ["a", "b", "c"], recoveryKeyFile: "k").status
                == .success)
    }

    @Test func `split as text shows files, but no part`() {
        let report = Report(split: Self.result(), pages: ["a", "b", "c"], recoveryKeyFile: "k")
        #expect(report.lines.contains("  part 2: d/recovery-part-2.txt, b"))
        #expect(report.lines.contains { $0.contains("k still opens everything alone") })
        #expect(!report.lines.contains { $0.contains("beef") || $0.contains("one part is enough") })
        let copies = Report(
            split: Self.result(needed: 1), pages: ["a", "b", "c"], recoveryKeyFile: "k")
        #expect(copies.lines.last?.hasPrefix("One part is enough") == true)
    }

    @Test func `join as json`() {
        let result = RecoveryKeyJoinResult(
            repository: Samples.identifier, set: "5f3a", needed: 2, total: 3, parts: [3, 1],
            recoveryKeyFile: "k")
        #expect(
            Report(join: result).json.text
                == #"{"repository":"\#(id)","set":"5f3a","needed":2,"total":3,"parts":[3,1],"#
                + #""recovery_key_file":"k"}"#)
    }

    @Test(arguments: [
        (1, "Whoever holds this page"), (2, "Any 2 of the 3 parts"), (3, "All 3 parts together"),
    ]) func `a part's page has all that is needed`(needed: Int, warning: String) throws {
        let result = Self.result(needed: needed)
        let html = try RecoveryPage(result.parts[1], of: result, time: Samples.time).html()
        for line in result.parts[1].lines where !line.contains("<") {
            #expect(html.contains("<li>\(line)</li>"))
        }
        #expect(html.contains("<li>set 5f3a &lt;&amp;&gt;</li>"))
        #expect(html.contains("<h1>Lifeboat recovery key, part 2 of 3</h1>"))
        #expect(html.contains(warning) && html.contains("key join") && html.contains("2026-01-02"))
        #expect(html.contains("<svg") && html.contains(id))
        let elsewhere = html.replacing("http://www.w3.org/2000/svg", with: "")
        #expect(!elsewhere.contains("http") && !html.contains("src=") && !html.contains("url("))
    }

    @Test func `split and join take their options`() throws {
        let split = try #require(
            try RootCommand.parseAsRoot([
                "key", "split", "--recovery-key-file", "k", "--parts", "5", "--needed", "3",
                "--directory", "d",
            ]) as? KeySplitCommand)
        #expect(split.parts == 5 && split.needed == 3 && split.directory == "d")
        let join = try #require(
            try RootCommand.parseAsRoot(["key", "join", "a", "b", "--recovery-key-file", "k"])
                as? KeyJoinCommand)
        #expect(join.parts == ["a", "b"] && join.recoveryKeyFile == "k")
    }

    @Test(arguments: [
        "split", "split --parts 5 --needed 3 --directory d",
        "split --recovery-key-file k --parts 0 --needed 0 --directory d",
        "split --recovery-key-file k --parts 17 --needed 3 --directory d",
        "split --recovery-key-file k --parts 3 --needed 4 --directory d",
        "split --recovery-key-file k --parts 3 --needed 0 --directory d",
        "split --recovery-key-file k --parts 3 --needed 2", "join --recovery-key-file k",
        "join a b", "join a b --recovery-key-file -",
    ]) func `a wrong command line is a usage error`(line: String) throws {
        let arguments = ["key"] + line.split(separator: " ").map(String.init)
        let error = try #require(throws: (any Error).self) {
            try RootCommand.parseAsRoot(arguments)
        }
        #expect(ParsingReport(error, arguments: arguments).failure?.code == .usage)
    }

    @Test func `the manual has both`() throws {
        let page = try #require(try ManualPage.all().first { $0.fileName == "lifeboat-key.1" })
        for name in ["split", "join"] { #expect(page.text.contains("\n.SS \(name)\n")) }
    }
}
