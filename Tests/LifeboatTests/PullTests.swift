import LifeboatCodec
import LifeboatCore
import LifeboatSystem
import LifeboatTesting
import Testing

@testable import Lifeboat

@Suite struct PullTests {
    private let folder: TemporaryDirectory
    private var random = SeededGenerator(seed: 3)

    init() throws { folder = try TemporaryDirectory() }

    private func make(_ name: String, chunkSize: Int) throws -> Operations {
        let operations = Operations(
            access: RepositoryAccess(
                location: folder.file(name), secret: .keyFile(folder.file(name + ".key")),
                recoveryKeyFile: folder.file(name + ".recovery"),
                stateDirectory: folder.file("state"), cacheDirectory: folder.file("cache")))
        _ = try operations.initialise(
            chunkSize: chunkSize, recoveryKeyFile: folder.file(name + ".recovery"), keyLabel: "",
            minimumAge: 0)
        return operations
    }

    @Test(arguments: [(16384, 16384), (16384, 65536), (65536, 16384)])
    mutating func `points come with all that they say`(from: Int, to: Int) throws {
        let source = try make("old", chunkSize: from)
        let target = try make("new", chunkSize: to)
        var bytes = random.bytes(40 * 16384 + 777)
        bytes.replaceSubrange(100_000..<300_000, with: [UInt8](repeating: 0, count: 200_000))
        var contents: [Digest: [UInt8]] = [:]
        let path = folder.file("volume")
        for step in 0..<4 {
            if step == 2 { bytes += random.bytes(30_000) }
            let place = 20_000 * step
            bytes.replaceSubrange(place..<place + 5000, with: random.bytes(5000))
            try Files.writeAtomically(path, bytes)
            var options = BackupOptions(
                machine: "web", sources: [.init(name: "disk", path: path)])
            options.tags = ["step": "\(step)"]
            options.usesFingerprints = false
            contents[try #require(try source.backup(options).point)] = bytes
        }
        let origins = try source.points(PointFilter())
        var options = PullOptions(
            source: folder.file("old"), recoveryKeyFile: folder.file("old.recovery"))
        options.points = [origins[0].id.hex]
        #expect(try target.pull(options).points.count == 1)
        options.points = []
        let result = try target.pull(options)
        #expect(result.points.map(\.isNew) == [false, true, true, true])
        #expect(result.points.map(\.origin) == origins.map(\.id))
        // Costs as much as differs, not three times everything.
        #expect(result.bytesRead < UInt64(2 * bytes.count))
        let pulled = try target.points(PointFilter())
        #expect(pulled.map(\.id) == result.points.map(\.id))
        for (point, origin) in zip(pulled, origins) {
            #expect(point.machine == origin.machine && point.host == origin.host)
            #expect(point.begun == origin.begun && point.time == origin.time)
            #expect(point.consistency == origin.consistency)
            #expect(point.tags["step"] == origin.tags["step"])
            #expect(point.tags["origin"]?.hasSuffix(origin.id.hex) == true)
            let restored = folder.file("restored")
            _ = try target.restore(RestoreOptions(point: point.id.hex, target: restored))
            #expect(try Files.readWhole(restored, limit: 1 << 24) == contents[origin.id])
            try Files.remove(restored)
        }
        #expect(try target.pull(options).points.allSatisfy { !$0.isNew })
        options.recoveryKeyFile = folder.file("new.recovery")
        #expect(code { () throws(LifeboatError) in _ = try target.pull(options) } == .wrongKey)
        options.source = folder.file("new")
        #expect(code { () throws(LifeboatError) in _ = try target.pull(options) } == .refused)
    }
}
