import LifeboatCore
import LifeboatSystem
import LifeboatTesting
import Testing

@testable import LifeboatStore

@Suite struct LinkRecordsTests {
    @Test func `limits are set, changed and cleared`() throws {
        let folder = try TemporaryDirectory()
        let records = LinkRecords(stateDirectory: folder.file("state"))
        #expect(try records.override("a") == .init())
        try records.limit("a", .init(upload: .bytesPerSecond(5)))
        try records.limit("a", .init(download: .unlimited))
        #expect(
            try records.override("a") == .init(upload: .bytesPerSecond(5), download: .unlimited))
        #expect(try records.override("b") == .init())
        #expect(try records.clearLimit("a") && !(try records.clearLimit("a")))
        #expect(try records.override("a") == .init())
    }

    @Test(arguments: ["", "{}x", #"{"upload":"fast"}"#, #"{"upload":5}"#])
    func `a damaged limit is told, and can be cleared`(text: String) throws {
        let folder = try TemporaryDirectory()
        let records = LinkRecords(stateDirectory: folder.path)
        try records.limit("a", .init(upload: .unlimited))
        try Files.writeAtomically(folder.file("links/a.json"), Array(text.utf8))
        #expect(throws: LifeboatError(.damaged, "", subject: folder.file("links/a.json"))) {
            try records.override("a")
        }
        #expect(try records.clearLimit("a"))
    }

    @Test func `the first suspension stands until it ends`() throws {
        let folder = try TemporaryDirectory()
        let records = LinkRecords(stateDirectory: folder.file("state"))
        #expect(records.suspendedSince("a") == nil)
        #expect(try !records.resume("a"))
        #expect(try records.suspend("a"))
        let since = try #require(records.suspendedSince("a"))
        #expect(since > 0)
        #expect(try !records.suspend("a"))
        #expect(records.suspendedSince("a") == since && records.suspendedSince("b") == nil)
        #expect(try records.resume("a"))
        #expect(records.suspendedSince("a") == nil)
    }

    @Test func `a damaged suspension suspends`() throws {
        let folder = try TemporaryDirectory()
        let records = LinkRecords(stateDirectory: folder.path)
        _ = try records.suspend("a")
        try Files.writeAtomically(records.suspensionFile("a"), [1])
        #expect(records.suspendedSince("a") == 0)
        #expect(try records.resume("a") && records.suspendedSince("a") == nil)
    }

    @Test func `people see and decide`() throws {
        let folder = try TemporaryDirectory()
        try Files.writeAtomically(
            folder.file("links.yaml"),
            Array(
                """
                links:
                  a: {carries: h, upload: 9B/s, windows: [mon 08:00-18:00 5B/s]}
                  b: {carries: i, interface: lo}
                """.utf8))
        var options = NetworkOptions()
        options.linkFiles = [folder.file("none"), folder.file("links.yaml")]
        let control = try LinkControl(
            options, stateDirectory: folder.file("state"),
            now: WeekMinute(day: 0, minute: 600))
        let before = try control.summaries()
        #expect(before.map(\.name) == ["a", "b"])
        #expect(before[0].upload == .init(present: .bytesPerSecond(5), plain: .bytesPerSecond(9)))
        #expect(before[0].nextChange == "mon 18:00" && before[1].nextChange == nil)
        #expect(before[1].interface == "lo")
        let limited = try control.limit("a", upload: .bytesPerSecond(7), download: nil)
        #expect(
            limited.upload
                == .init(
                    present: .bytesPerSecond(7), plain: .bytesPerSecond(9),
                    override: .bytesPerSecond(7)))
        #expect(limited.download.override == nil && limited.download.present == .bytesPerSecond(5))
        #expect(try control.clearLimit("a") == before[0])
        #expect(try control.suspend("a").isChanged && !(try control.suspend("a").isChanged))
        #expect(try control.summaries()[0].suspendedSince != nil)
        #expect(try control.resume("a") && !(try control.resume("a")))
        for name in ["c", "../a", ""] {
            #expect(throws: LifeboatError(.missing, "", subject: name)) {
                _ = try control.suspend(name)
            }
            #expect(throws: LifeboatError(.missing, "", subject: name)) {
                _ = try control.resume(name)
            }
            #expect(throws: LifeboatError(.missing, "", subject: name)) {
                _ = try control.limit(name, upload: .unlimited, download: nil)
            }
        }
    }

    @Test func `a link that is described no more can be resumed`() throws {
        let folder = try TemporaryDirectory()
        _ = try LinkRecords(stateDirectory: folder.path).suspend("old")
        let control = try LinkControl(NetworkOptions(), stateDirectory: folder.path)
        #expect(try control.resume("old"))
    }
}
