import LifeboatCodec
import LifeboatCore
import LifeboatSystem
import LifeboatTesting
import Testing

@testable import Lifeboat

/// A repository with a writer and a keeper, each with a state directory of its own.
private struct Site {
    let folder: TemporaryDirectory
    let writer: Operations
    let keeper: Operations

    init(minimumAge: UInt64 = 0) throws {
        let folder = try TemporaryDirectory()
        self.folder = folder
        func operations(_ host: String, _ secret: RepositoryAccess.Secret) -> Operations {
            Operations(
                access: RepositoryAccess(
                    location: folder.file("repository"), secret: secret,
                    stateDirectory: folder.file("state-" + host),
                    cacheDirectory: folder.file("cache-" + host)))
        }
        writer = operations("writer", .keyFile(folder.file("writer.key")))
        keeper = operations("keeper", .keyFile(folder.file("keeper.key")))
        _ = try writer.initialise(
            chunkSize: 65536, recoveryKeyFile: folder.file("recovery.key"), keyLabel: "",
            minimumAge: minimumAge)
        _ = try operations("root", .recoveryKey(folder.file("recovery.key"))).enrol(
            .keeper, domain: .first, label: "keeper",
            secret: .keyFile(folder.file("keeper.key")))
    }

    func backUp(_ machine: String, tags: [String: String] = [:]) throws -> Digest {
        let path = folder.file("volume")
        try Files.writeAtomically(path, randomBytes(4096))
        var options = BackupOptions(
            machine: machine, sources: [.init(name: "volume", path: path)])
        options.tags = tags
        options.usesFingerprints = false
        return try #require(try writer.backup(options).point)
    }

    func listed() throws -> Set<Digest> { Set(try writer.points(PointFilter()).map(\.id)) }

    static func keepLast(_ count: Int) -> ForgetOptions {
        var policy = RetentionPolicy()
        policy.last = count
        return ForgetOptions(.policy(policy, RetentionGrouping()))
    }
}

@Suite struct ForgetTests {
    @Test(arguments: [(1, 5), (2, 3), (5, 1), (100, 1)])
    func `what does not fit into one entry takes several`(limit: Int, entries: Int) throws {
        let site = try Site()
        var points: [Digest] = []
        for _ in 0..<6 { points.append(try site.backUp("m")) }
        let byPolicy = try site.keeper.forget(Site.keepLast(4), batchLimit: limit)
        #expect(byPolicy.points.filter(\.isForgotten).map(\.id) == Array(points[..<2]))
        #expect(byPolicy.entries == (limit == 1 ? 2 : 1))
        #expect(try site.listed() == Set(points[2...]))
        for _ in 0..<2 { points.append(try site.backUp("m")) }
        let byName = try site.keeper.forget(
            ForgetOptions(.points(points[2..<7].map(\.hex))), batchLimit: limit)
        #expect(byName.entries == entries)
        #expect(try site.listed() == [points[7]])
        #expect(try site.keeper.forget(Site.keepLast(1), batchLimit: limit).entries == 0)
    }

    @Test func `a look alone makes points grow old`() throws {
        let site = try Site(minimumAge: 3_600_000)
        let old = try site.backUp("m")
        _ = try site.backUp("m")
        let first = try site.keeper.forget(Site.keepLast(1))
        let until = first.points.first { $0.id == old }?.reasons
        let later = try site.keeper.forget(Site.keepLast(1))
        // The second run counts from the first one's look, which began before it decided.
        guard case .tooYoung(let begun) = until?.last,
            case .tooYoung(let again) = later.points.first(where: { $0.id == old })?.reasons.last
        else {
            Issue.record("it may be forgotten")
            return
        }
        #expect(again <= begun && begun - again < 60_000)
        let third = try site.keeper.forget(Site.keepLast(1))
        #expect(third.points.map(\.reasons) == later.points.map(\.reasons))
        #expect(first.entries == 0 && later.entries == 0)
    }

    @Test func `a point without a body can be let go`() throws {
        let site = try Site()
        let lost = try site.backUp("m")
        let body = try #require(try Files.list(site.folder.file("repository/points")).first)
        let kept = try site.backUp("m")
        try Files.remove(site.folder.file("repository/points/" + body))
        #expect(try site.keeper.forget(Site.keepLast(1)).points.map(\.id) == [kept])
        let result = try site.keeper.forget(ForgetOptions(.points([lost.hex])))
        #expect(result.points.map(\.isForgotten) == [true] && result.entries == 1)
        #expect(
            code { () throws(LifeboatError) in
                _ = try site.keeper.forget(ForgetOptions(.points([lost.hex])))
            } == .missing)
    }

    @Test func `writers cannot forget, hold or fence`() throws {
        let site = try Site()
        let point = try site.backUp("m")
        #expect(
            code { () throws(LifeboatError) in _ = try site.writer.forget(Site.keepLast(1)) }
                == .refused)
        #expect(
            code { () throws(LifeboatError) in _ = try site.writer.hold([point.hex]) } == .refused)
        #expect(
            code { () throws(LifeboatError) in _ = try site.writer.fence(.olderThan(0)) }
                == .refused)
        var options = Site.keepLast(1)
        options.isDryRun = true
        #expect(try site.writer.forget(options).points.map(\.isForgotten) == [false])
    }
}
