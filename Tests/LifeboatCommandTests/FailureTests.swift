import Foundation
import LifeboatCore
import Testing

@testable import LifeboatCommand

@Suite struct FailureTests {
    @Test(
        arguments: [
            (.cancelled, 130), (.damaged, 20), (.denied, 25), (.exists, 14), (.full, 22),
            (.missing, 13), (.noRepository, 10), (.unreadable, 23), (.refused, 21),
            (.unavailable, 11), (.suspended, 15), (.unsupported, 24), (.wrongKey, 12), (.usage, 2),
            (.internalFault, 1),
        ] as [(LifeboatError.Code, Int32)])
    func `every code has its exit code`(code: LifeboatError.Code, number: Int32) {
        #expect(LifeboatCommand.ExitStatus(code).rawValue == number)
        #expect(ErrorReport(LifeboatError(code, "x")).status.rawValue == number)
    }

    @Test(arguments: [LifeboatError.Code.unavailable, .damaged], [false, true])
    func `a store that does not answer is no news after a signal`(
        code: LifeboatError.Code, isCancelled: Bool
    ) {
        let cancellation = Cancellation()
        if isCancelled { cancellation.cancel() }
        let told = VerifyCommand.told(LifeboatError(code, "x"), cancellation)
        #expect(told.code == (isCancelled && code == .unavailable ? .cancelled : code))
    }

    @Test func `an error as json and text`() {
        let error = LifeboatError(
            .noRepository, "no repository there", subject: "/mnt", cause: "ENOENT",
            advice: "run init")
        let report = ErrorReport(error)
        #expect(
            report.json.text
                == #"{"error":{"code":"no_repository","exit_code":10,"#
                + #""message":"no repository there","subject":"/mnt","cause":"ENOENT","#
                + #""advice":"run init"}}"#)
        #expect(
            report.text == "lifeboat: /mnt: no repository there (ENOENT)\nlifeboat: run init\n")
    }

    @Test func `names from elsewhere cannot steer the terminal`() {
        #expect(SafeText.line("a\u{1B}[2Jb\nc") == "a\\u{1b}[2Jb\\u{a}c")
        #expect(SafeText.line("grün") == "grün")
    }

    @Test func `the documentation lists every exit code`() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        let text = try String(
            contentsOf: root.appendingPathComponent("docs/cli.md"), encoding: .utf8)
        for status in LifeboatCommand.ExitStatus.allCases {
            #expect(text.contains("| \(status.rawValue) | \(status.meaning) |"))
        }
        for variable in EnvironmentVariable.allCases {
            #expect(text.contains("| `\(variable.rawValue)` |"))
        }
    }
}
