import ArgumentParser
@testable import Lifeboat
import LifeboatCore
import Testing

@testable import LifeboatCommand

@Suite struct RetentionTests {
    private func parse<Command>(_ type: Command.Type, _ arguments: String...) throws -> Command {
        try #require(try RootCommand.parseAsRoot(arguments) as? Command)
    }

    @Test func `forget takes a policy`() throws {
        let command = try parse(
            ForgetCommand.self, "forget", "--keep-last", "1", "--keep-hourly", "2",
            "--keep-daily", "3", "--keep-weekly", "4", "--keep-monthly", "5", "--keep-yearly",
            "6", "--keep-within", "1y6m", "--machine", "web", "--tag", "a=b", "--group-by",
            "machine,tag:site,tag:job", "--dry-run")
        let options = try command.options()
        guard case .policy(let policy, let grouping) = options.selection else {
            Issue.record("no policy")
            return
        }
        var expected = RetentionPolicy()
        (expected.last, expected.hourly, expected.daily) = (1, 2, 3)
        (expected.weekly, expected.monthly, expected.yearly) = (4, 5, 6)
        expected.within = RetentionSpan(years: 1, months: 6)
        #expect(policy == expected)
        #expect(grouping.tags == ["site", "job"])
        #expect(options.isDryRun && options.filter.machine == "web")
        #expect(options.filter.tags == ["a": "b"])
    }

    @Test func `forget takes points`() throws {
        let options = try parse(ForgetCommand.self, "forget", "4f1c", "latest").options()
        guard case .points(let points) = options.selection else {
            Issue.record("no points")
            return
        }
        #expect(points == ["4f1c", "latest"] && !options.isDryRun)
    }

    @Test(arguments: [
        ["forget"], ["forget", "4f1c", "--keep-last", "1"], ["forget", "--keep-last", "0"],
        ["forget", "--keep-daily", "-1"], ["forget", "--keep-within", "3x"],
        ["forget", "--keep-last", "1", "--group-by", "host"],
        ["forget", "--keep-last", "1", "--group-by", "machine,"],
        ["forget", "--keep-last", "1", "--group-by", "machine,tag:"],
        ["forget", "--keep-last", "1", "--group-by", "machine,tag:a,tag:a"], ["hold"],
        ["release"], ["tag", "4f1c"], ["tag", "--set", "a=b"], ["tag", "4f1c", "--set", "a"],
        ["tag", "4f1c", "--set", "a=b", "--unset", "a"], ["tag", "4f1c", "--unset", ""],
        ["session", "fence"], ["session", "fence", "ab", "--all-older-than", "1d"],
        ["prune", "--max-unused", "101"], ["prune", "--max-unused", "-1"],
    ]) func `what makes no sense is refused`(arguments: [String]) {
        #expect(throws: (any Error).self) { try RootCommand.parseAsRoot(arguments) }
    }

    @Test func `prune takes its options`() throws {
        let command = try parse(
            PruneCommand.self, "prune", "--max-unused", "0", "--dry-run", "--recovery-key-file",
            "k")
        #expect(command.options.maximumUnused == 0 && command.options.isDryRun)
        #expect(try parse(PruneCommand.self, "prune").options.maximumUnused == 5)
    }

    // MARK: reports

    @Test func `forgetting tells each point and why`() {
        let result = ForgetResult(
            points: [
                ForgetDecision(
                    id: Samples.parent, machine: "web", time: Samples.time - 86_400_000,
                    group: [:], isForgotten: true, reasons: []),
                ForgetDecision(
                    id: Samples.point, machine: "web", time: Samples.time, group: ["group": "g"],
                    isForgotten: false,
                    reasons: [
                        .newestOf(rule: "daily", bucket: "2026-01-02"), .newest,
                        .tooYoung(until: Samples.time),
                    ]),
            ], entries: 1)
        let report = Report(result, isDryRun: false)
        #expect(
            report.lines == [
                "point         machine      time                  action  why",
                "9a0000000000  web          2026-01-01 03:04:05Z  forget",
                "4f1c2a9b0d3e  web group=g  2026-01-02 03:04:05Z  keep    daily 2026-01-02, newest,"
                    + " too young until 2026-01-02 03:04:05Z",
                "forgot 1 points, kept 1; prune frees what only they needed",
            ])
        #expect(
            report.json.text
                == #"{"points":[{"id":"\#(Samples.parent.hex)","machine":"web","group":{},"#
                + #""time":"2026-01-01T03:04:05.678Z","time_ms":1767236645678,"#
                + #""action":"forget","reasons":[]},{"id":"\#(Samples.point.hex)","#
                + #""machine":"web","group":{"group":"g"},"time":"2026-01-02T03:04:05.678Z","#
                + #""time_ms":1767323045678,"action":"keep","reasons":["daily 2026-01-02","#
                + #""newest","too young until 2026-01-02 03:04:05Z"]}],"forgotten":1,"kept":1,"#
                + #""log_entries":1,"dry_run":false}"#)
        #expect(Report(result, isDryRun: true).lines.last == "would forget 1 points and keep 1")
        #expect(
            Report(ForgetResult(points: [], entries: 0), isDryRun: false).lines
                == ["forgot 0 points, kept 0"])
    }

    @Test func `held points are told`() {
        var point = Samples.summary
        point.isHeld = true
        #expect(Report(points: [point]).lines.last?.hasSuffix("2026-01-02 data  held") == true)
        #expect(Report(points: [point]).json.text.contains(#""held":true"#))
        #expect(Report(point: point).lines.contains("on hold      yes"))
        #expect(
            Report(changed: [point], "on hold").lines == ["point 4f1c2a9b0d3e of web on hold"])
        #expect(Report(tagged: [point]).lines == ["point 4f1c2a9b0d3e of web  a=1 b=2"])
    }

    private var session: SessionSummary {
        SessionSummary(
            session: Samples.identifier, member: Samples.identifier, label: "db1",
            incarnation: Samples.identifier, since: Samples.time, isEnded: false,
            condemnedObjects: 2, forgottenPoints: 1)
    }

    @Test func `sessions tell what waits for them`() {
        let id = Samples.identifier.hex
        let report = Report(sessions: [session])
        #expect(
            report.lines.last
                == "abababab  db1     \(id)  2026-01-02 03:04:05Z  open   2 condemned objects,"
                + " 1 forgotten point")
        #expect(
            report.json.text
                == #"{"sessions":[{"session":"\#(id)","writer":"\#(id)","label":"db1","#
                + #""incarnation":"\#(id)","since":"2026-01-02T03:04:05.678Z","#
                + #""since_ms":1767323045678,"fenced":false,"condemned_objects":2,"#
                + #""forgotten_points":1}]}"#)
        #expect(Report(sessions: []).lines == ["no open sessions"])
    }

    @Test func `fences tell what they mean`() {
        let id = Samples.identifier.hex
        let log = FencedLog(
            incarnation: Samples.identifier, member: Samples.identifier, label: nil, sequence: 7,
            sessions: [Samples.identifier])
        let report = Report(fenced: [log])
        #expect(report.lines.first == "log \(id) of abababab ends with entry 7; 1 session void")
        #expect(report.lines.count == 2)
        #expect(
            report.json.text
                == #"{"fenced":[{"incarnation":"\#(id)","writer":"\#(id)","label":null,"#
                + #""sequence":7,"sessions":["\#(id)"]}]}"#)
        #expect(Report(fenced: []).lines == ["nothing to fence"])
    }

    @Test func `a head code stands alone on its line`() {
        let id = Samples.identifier.hex
        let head = HeadCodeResult.Head(
            incarnation: Samples.identifier, isKeeper: true, label: "keeper", sequence: 7,
            digest: Samples.point)
        var result = HeadCodeResult(code: "LB1-00010", entries: 9, heads: [head], notes: nil)
        #expect(Report(result).lines == ["LB1-00010"])
        #expect(
            Report(result).json.text
                == #"{"code":"LB1-00010","entries":9,"heads":[{"incarnation":"\#(id)","#
                + #""role":"keeper","label":"keeper","sequence":7,"#
                + #""digest":"\#(Samples.point.hex)"}],"expected":null}"#)
        result.notes = ["a note"]
        #expect(Report(result).lines.count == 3)
        #expect(
            Report(result).json.text.hasSuffix(
                #""expected":{"agrees":true,"notes":["a note"]}}"#))
    }

    @Test func `the repository is described`() {
        let id = Samples.identifier
        let result = RepositoryInformation(
            repository: id, location: "/mnt/backup",
            store: StoreInformation(kind: "s3", probeTime: nil, abilities: nil), formatVersion: 1,
            chunkSize: 65536,
            created: Samples.time, fingerprint: "12 34", configurationNumber: 1, rosterNumber: 2,
            minimumAge: 86_400_000, domains: [id],
            members: [
                MemberSummary(
                    id: id, role: .keeper, label: "k", domain: id, joined: Samples.time,
                    state: "active", isCurrent: true)
            ], logs: 2, points: 3, heldPoints: 1, packs: 4, indexRuns: 5, condemnedObjects: 6,
            doomedObjects: 7, checkpoint: 8, checkpointTime: Samples.time, sessions: [session],
            abilities: ["list", "forget"])
        let report = Report(result)
        for line in [
            "points         3, 1 on hold", "minimum age    24:00:00",
            "checkpoint     8, 2026-01-02 03:04:05Z", "this key may   list, forget",
            "keeper         \(id.hex) active  k (this host)",
            "session        abababab of db1 since 2026-01-02 03:04:05Z",
        ] { #expect(report.lines.contains(line), "\(line)") }
        #expect(
            report.json.text.hasPrefix(
                #"{"repository":"\#(id.hex)","location":"/mnt/backup","#
                    + #""store":{"kind":"s3","probed":null,"probed_ms":null,"capabilities":null},"#
                    + #""created":"2026-01-02T03:04:05.678Z","created_ms":1767323045678,"#
                    + #""format_version":1,"chunk_size":65536,"fingerprint":"12 34","#
                    + #""configuration":1,"roster":2,"minimum_age_ms":86400000,"#))
    }

    @Test func `a store that was asked tells what it can do`() {
        let store = StoreInformation(
            kind: "s3", probeTime: Samples.time,
            abilities: .init(
                conditionalPut: false, rangeReads: true, deletes: true, orderedListing: false,
                payloadCheck: "md5", versioning: true, objectLock: true, maximumObjectBytes: 7))
        #expect(
            store.facts.map(\.1) == [
                "s3",
                "NOT put once, check md5, read parts, not list in order, delete, keep versions, "
                    + "lock objects", "2026-01-02 03:04:05Z",
            ])
        #expect(
            store.json.text
                == #"{"kind":"s3","probed":"2026-01-02T03:04:05.678Z","probed_ms":1767323045678,"#
                + #""capabilities":{"conditional_put":false,"payload_check":"md5","#
                + #""range_reads":true,"ordered_listing":false,"deletes":true,"#
                + #""versioning":true,"object_lock":true,"maximum_object_bytes":7}}"#)
    }

    @Test func `pruning tells what is freed, what waits and what is held`() {
        var result = PruneResult()
        result.condemnedObjects = 2
        result.condemnedBytes = 2048
        result.deletedObjects = 1
        result.deletedBytes = 1024
        result.packs = 3
        result.bytesStored = 1 << 20
        result.bytesLive = 1 << 19
        result.bytesHeld = 4096
        result.waitsFor = [
            WaitedSession(
                session: Samples.identifier, member: Samples.identifier, label: "db1",
                incarnation: Samples.identifier, since: Samples.time)
        ]
        result.notes = ["a note"]
        result.durationSeconds = 1
        let report = Report(result, isDryRun: false)
        for line in [
            "deleted                    1  1.00 KiB", "condemned                  2  2.00 KiB",
            "3 packs, 1.00 MiB stored, of which points need 512 KiB",
            "4.00 KiB of dead space can be freed with --recovery-key-file only",
            "what these sessions may rely on is deleted by a later run:",
            "waits for session abababab of db1, open since 2026-01-02 03:04:05Z: see session fence"
                + " if that host is gone",
            "note: a note", "took 1.00 s",
        ] { #expect(report.lines.contains(line), "\(line)") }
        let id = Samples.identifier.hex
        #expect(
            report.json.text
                == #"{"condemned_objects":2,"bytes_condemned":2048,"released_objects":0,"#
                + #""deleted_objects":1,"bytes_deleted":1024,"waits_for":[{"session":"\#(id)","#
                + #""writer":"\#(id)","label":"db1","incarnation":"\#(id)","#
                + #""since":"2026-01-02T03:04:05.678Z","since_ms":1767323045678}],"packs":3,"#
                + #""bytes_stored":1048576,"bytes_live":524288,"bytes_held":4096,"#
                + #""repacked_packs":0,"bytes_repacked":0,"merged_runs":0,"#
                + #""deleted_log_entries":0,"locked_objects":0,"bytes_locked":0,"#
                + #""locked_until":null,"locked_until_ms":null,"lock_extension":null,"#
                + #""checkpoint":null,"notes":["a note"],"#
                + #""duration_seconds":1.0,"dry_run":false}"#)
    }
}
