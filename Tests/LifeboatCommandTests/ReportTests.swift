import Foundation
@testable import Lifeboat
import LifeboatCore
import Testing

@testable import LifeboatCommand

@Suite struct ReportTests {
    private let point = "4f1c2a9b0d3e5566000000000000000100000000000000020000000000000003"
    private let parent = "9a00000000000000000000000000000000000000000000000000000000000001"

    @Test func `backup as json`() {
        let expected: String =
            #"{"point":"\#(point)","machine":"web","#
            + #""consistency":"crash","parent":"\#(parent)","#
            + #""volumes":[{"name":"root","size":1073741824,"bytes_read":536870912,"#
            + #""bytes_new":1048576,"bytes_stored":524288,"bytes_zero":268435456,"#
            + #""bytes_unchanged":134217728,"bytes_audited":0,"method":"full","#
            + #""consistency":"crash","warnings":[]}],"bytes_metadata":4096,"#
            + #""duration_seconds":2.5,"warnings":[],"dry_run":false,"place":"remote","#
            + #""machines":[],"skew_ms":null}"#
        #expect(Report(Samples.backup(), isDryRun: false).json.text == expected)
    }

    @Test func `machines of a point as json and text`() {
        var result = Samples.backup()
        result.machines = [
            MachineSummary(
                name: "web", consistency: .filesystem, policy: "prefer", platform: "libvirt 9.0.0",
                freezeWindow: 412, reasons: ["why"], notes: ["vda: a bitmap was lost"],
                hadDeadMan: true, snapshot: "0123456789abcdef", volumes: ["vda"],
                definition: "web.definition.tar"),
            MachineSummary(
                name: "idle", consistency: .crash, policy: "stateless", platform: "",
                freezeWindow: nil, reasons: [], notes: [], hadDeadMan: false, snapshot: nil,
                volumes: [], definition: nil),
        ]
        result.skew = 3
        let report = Report(result, isDryRun: false)
        let json = report.json.text
        #expect(
            json.contains(
                #""machines":[{"name":"web","consistency":"filesystem","policy":"prefer""#))
        #expect(json.contains(#""freeze_window_ms":412,"reasons":["why"],"notes":["vda: a bitmap"#))
        #expect(json.contains(#""dead_man":true,"snapshot":"0123456789abcdef","volumes":["vda"]"#))
        #expect(json.contains(#""freeze_window_ms":null,"reasons":[],"notes":[],"dead_man":false"#))
        #expect(json.hasSuffix(#""volumes":[],"definition":null}],"skew_ms":3}"#))
        let text = report.lines.joined(separator: "\n")
        #expect(text.contains("web: why") && text.contains("web: vda: a bitmap was lost"))
        #expect(text.contains("412 ms") && text.contains("snapshots started within 3 ms"))
    }

    @Test func `backup as text`() {
        #expect(
            Report(Samples.backup(), isDryRun: false).lines == [
                "point 4f1c2a9b0d3e  machine web  consistency crash  parent 9a0000000000",
                "volume      size     read       new   stored     zero  unchanged  method",
                "root    1.00 GiB  512 MiB  1.00 MiB  512 KiB  256 MiB    128 MiB  full",
                "metadata 4.00 KiB, took 2.50 s, 410 MiB/s of volume",
            ])
    }

    @Test(arguments: [(false, LifeboatCommand.ExitStatus.success), (true, .partlyDone)])
    func `what went otherwise than asked for shows in the exit code`(
        isDegraded: Bool, status: LifeboatCommand.ExitStatus
    ) {
        let result = Samples.backup(isDegraded: isDegraded, warnings: ["consistency none"])
        #expect(Report(result, isDryRun: false).status == status)
    }

    @Test func `a spool as json and text`() throws {
        let id = try #require(Digest(hex: point))
        let other = try #require(Digest(hex: parent))
        let waiting = [
            SpoolSummary.Waiting(id: id, time: Samples.time, packs: 2, bytes: 4096, fault: nil),
            SpoolSummary.Waiting(
                id: other, time: Samples.time, packs: 1, bytes: 1024, fault: "its base is gone"),
        ]
        let spool = SpoolSummary(
            settings: SpoolSettings(directory: "/spool", size: 1 << 30), isPrepared: true,
            bytesUsed: 5120, points: waiting)
        let report = Report(spool: spool)
        let time = #""time":"2026-01-02T03:04:05.678Z","time_ms":1767323045678"#
        let first = #"{"id":"\#(point)",\#(time),"packs":2,"bytes":4096,"fault":null}"#
        #expect(
            report.json.text
                == #"{"directory":"/spool","size":1073741824,"bytes_used":5120,"#
                + #""when":"suspended","counts":false,"prepared":true,"points":[\#(first),"#
                + #"{"id":"\#(parent)",\#(time),"packs":1,"bytes":1024,"#
                + #""fault":"its base is gone"}]}"#)
        #expect(
            report.lines.dropFirst() == [
                "4f1c2a9b0d3e  2026-01-02 03:04:05Z      2  4.00 KiB  waits",
                "9a0000000000  2026-01-02 03:04:05Z      1  1.00 KiB  cannot be sent",
                "its base is gone", "spool /spool: 5.00 KiB of 1.00 GiB",
            ])
        #expect(spool.reminder?.hasPrefix("2 points wait in the spool (5.00 KiB)") == true)
        var result = SpoolSendResult()
        #expect(Report(sent: result).lines == ["nothing waits"])
        result.sent = [.init(local: id, point: other, packs: 2, bytesSent: 4096)]
        #expect(
            Report(sent: result).json.text
                == #"{"sent":[{"local":"\#(point)","point":"\#(parent)","packs":2,"#
                + #""bytes_sent":4096}],"failed":[],"duration_seconds":0.0}"#)
        #expect(Report(sent: result).status == .success)
        result.failures = [.init(local: id, error: LifeboatError(.refused, "why", advice: "so"))]
        #expect(
            Report(sent: result).json.text.contains(
                #""failed":[{"local":"\#(point)","message":"why","advice":"so"}]"#))
        #expect(Report(sent: result).status == .refused)
        #expect(Report(dropped: waiting).json.text.hasPrefix(#"{"dropped":[\#(first),"#))
    }

    @Test func `points as json and text`() {
        let report = Report(points: [Samples.summary])
        let id = String(repeating: "ab", count: 16)
        #expect(
            report.json.text
                == #"{"points":[{"id":"\#(point)","machine":"web","host":"host1","#
                + #""time":"2026-01-02T03:04:05.678Z","time_ms":1767323045678,"#
                + #""begun":"2026-01-02T03:04:03.178Z","begun_ms":1767323043178,"#
                + #""consistency":"crash","parent":null,"volumes":[{"name":"root","#
                + #""size":1073741824,"consistency":"crash","method":"full","#
                + #""bytes_read":536870912,"bytes_new":1048576,"bytes_stored":524288,"#
                + #""bytes_zero":268435456,"bytes_unchanged":0,"root":"\#(parent)","#
                + #""warnings":[],"definition":false}],"#
                + #""tags":{"a":"1","b":"2"},"held":false,"verified":{"time":"2026-01-02T03:04:05.678Z","#
                + #""time_ms":1767323045678,"depth":"data"},"program":"lifeboat 0.1.0","#
                + #""writer":"\#(id)","incarnation":"\#(id)","sequence":7,"#
                + #""place":"remote","counts":true,"machines":[],"skew_ms":null}]}"#)
        #expect(
            report.lines.last
                == "4f1c2a9b0d3e  2026-01-02 03:04:05Z  web      crash              1  1.00 GiB"
                + "  1.00 MiB  512 KiB  2026-01-02 data")
        #expect(Report(points: []).lines == ["no points"])
        var local = Samples.summary
        local.place = .local
        local.counts = false
        let lines = Report(points: [Samples.summary, local]).lines
        #expect(lines[1].hasSuffix("  remote") && lines[2].hasSuffix("  local"))
        #expect(
            Report(points: [local]).json.text.hasSuffix(
                #","place":"local","counts":false,"machines":[],"skew_ms":null}]}"#))
        #expect(Report(points: []).json.text == #"{"points":[]}"#)
    }

    @Test func `restore as json`() {
        let volume = VolumeRestoreResult(
            name: "root", target: "/out", size: 10, bytesWritten: 4, bytesFetched: 3,
            bytesMatching: 5, bytesVerified: 10, writeSeconds: 0.25, verifySeconds: 1,
            bytesResumed: 1)
        let result = RestoreResult(point: Samples.point, volumes: [volume], durationSeconds: 1.5)
        #expect(
            Report(result).json.text
                == #"{"point":"\#(point)","volumes":[{"name":"root","target":"/out","size":10,"#
                + #""bytes_written":4,"bytes_fetched":3,"bytes_matching":5,"bytes_verified":10,"#
                + #""bytes_resumed":1,"write_seconds":0.25,"verify_seconds":1.0}],"#
                + #""duration_seconds":1.5}"#)
    }

    @Test func `problems make a verification damaged`() {
        let problem = VerificationProblem(
            object: "packs/ab", message: "frame 3 does not open", affected: ["point 4f1c, root"],
            isSetAside: true)
        var result = VerificationResult(
            depth: "data", points: 2, packs: 3, bytesRead: 4096, chunksChecked: 5,
            problems: [], isRecorded: true, durationSeconds: 0.5, notes: ["no recovery key"])
        #expect(Report(result).status == .success)
        #expect(
            Report(result).lines.last
                == "sound: 2 points, 3 packs, 5 chunks, 4.00 KiB read in 0.50 s (data)")
        result.repaired = [
            RepairedObject(object: "index/cd", message: "it is missing", replica: "attic")
        ]
        #expect(Report(result).status == .success)
        #expect(
            Report(result).lines.first
                == "repaired: index/cd from replica attic: it is missing")
        result.problems = [problem]
        #expect(Report(result).status == .damaged)
        #expect(
            Report(result).json.text
                == #"{"depth":"data","sound":false,"points":2,"packs":3,"bytes_read":4096,"#
                + #""chunks_checked":5,"problems":[{"object":"packs/ab","#
                + #""message":"frame 3 does not open","affected":["point 4f1c, root"],"#
                + #""set_aside":true}],"repaired":[{"object":"index/cd","#
                + #""message":"it is missing","replica":"attic"}],"recorded":true,"notes":["no recovery key"],"#
                + #""duration_seconds":0.5}"#)
    }

    @Test func `differences tell offsets and what was cut off`() {
        let volume = VolumeDifference(
            name: "root", oldSize: 100, newSize: 100, bytesChanged: 30,
            extents: [Extent(offset: 0, length: 10)], extentCount: 2, isCutOff: true)
        let report = Report(differences: [volume])
        #expect(
            report.lines == [
                "volume root: 30 B changed in 2 extents", "  offset  length",
                "       0      10", "  and 1 more: see --extents",
            ])
        #expect(
            report.json.text
                == #"{"volumes":[{"name":"root","old_size":100,"new_size":100,"bytes_changed":30,"#
                + #""extent_count":2,"extents":[{"offset":0,"length":10}],"cut_off":true}]}"#)
    }

    @Test func `benchmark as json`() {
        let result = BenchmarkResult(
            source: "a.img", bytes: 1024, threads: 2,
            rows: [BenchmarkRow(work: "compress", oneThread: 1e9, allThreads: 2e9, ratio: 0.5)],
            combinedThroughput: 1.5e9)
        #expect(
            Report(result).json.text
                == #"{"source":"a.img","bytes":1024,"threads":2,"rows":[{"work":"compress","#
                + #""one_thread":1000000000.0,"all_threads":2000000000.0,"ratio":0.5}],"#
                + #""combined_throughput":1500000000.0}"#)
    }

    @Test func `init tells no secret and what to do`() {
        let report = Report(Samples.initialisation, page: "k.html")
        let text = report.lines.joined(separator: "\n") + report.json.text
        #expect(!text.contains("a0") && !text.contains("0A1B"))
        #expect(text.contains("k.html") && report.status == .success)
        #expect(Report(Samples.initialisation, page: nil).status == .partlyDone)
    }

    @Test func `every json text is valid`() throws {
        let odd: JSONValue = ["a\"\n\u{1}\u{7F}\u{2028}é": .number(.infinity), "b": [1e-7, 3]]
        for text in [odd.text, Report(point: Samples.summary).json.text] {
            #expect(!text.contains("\n"))
            #expect(throws: Never.self) { try JSONSerialization.jsonObject(with: Data(text.utf8)) }
        }
    }

    @Test func `members and keys as json and text`() {
        let id = String(repeating: "ab", count: 16)
        let time = #""2026-01-02T03:04:05.678Z""#
        let member = MemberSummary(
            id: Samples.identifier, role: .keeper, label: "zoë", domain: Samples.identifier,
            joined: Samples.time, state: "suspended", isCurrent: true)
        let key = KeySummary(
            id: Samples.identifier, kind: "key file", label: "?", member: nil,
            created: Samples.time, isCurrent: false)
        let memberText =
            #"{"id":"\#(id)","role":"keeper","label":"zoë","domain":"\#(id)","joined":\#(time),"#
            + #""joined_ms":1767323045678,"state":"suspended","current":true}"#
        let keyText =
            #"{"id":"\#(id)","kind":"key file","label":"?","member":null,"created":\#(time),"#
            + #""created_ms":1767323045678,"current":false}"#
        let list = Report(AccessSummary(members: [member], keys: [key]))
        #expect(list.json.text == #"{"members":[\#(memberText)],"keys":[\#(keyText)]}"#)
        #expect(list.lines.contains { $0.hasSuffix("zoë (this host)") })
        let enrolment = Report(EnrolmentResult(member: member, key: key, isNewDomain: true))
        #expect(
            enrolment.json.text
                == #"{"member":\#(memberText),"key":\#(keyText),"new_domain":true}"#)
        #expect(Report(revoked: member).json.text == #"{"member":\#(memberText)}"#)
    }

    @Test func `a rotation says what it cannot take back`() {
        let result = RotationResult(
            repository: Samples.identifier, location: "/r", fingerprint: "f",
            recoveryKeyFile: "new.key", recoveryKeyLines: Samples.key, recoveryKeyCode: "")
        let report = Report(result, page: nil)
        #expect(report.status == .partlyDone)
        #expect(report.lines.contains { $0.contains("cannot be taken back") })
        #expect(!report.lines.joined().contains("beef") && !report.json.text.contains("beef"))
    }
}

extension JSONValue: ExpressibleByArrayLiteral {
    public init(arrayLiteral elements: Double...) { self = .array(elements.map(JSONValue.number)) }
}
