import LifeboatCore
import LifeboatFormat
import LifeboatSystem
import LifeboatTesting
import LifeboatVolume
import Testing

@testable import Lifeboat

/// Images and NBD exports from end to end, with QEMU's tools and nbdkit.
@Suite struct ImageBackupTests {
    private let folder: TemporaryDirectory
    private let operations: Operations

    private static let size = 3 << 20

    init() throws {
        folder = try TemporaryDirectory()
        operations = Operations(
            access: RepositoryAccess(
                location: folder.file("repository"), secret: .keyFile(folder.file("key")),
                recoveryKeyFile: folder.file("recovery"),
                stateDirectory: folder.file("state"), cacheDirectory: folder.file("cache")))
        _ = try operations.initialise(
            chunkSize: 16384, recoveryKeyFile: folder.file("recovery"), keyLabel: "",
            minimumAge: 0)
    }

    private func run(_ arguments: String...) throws {
        let result = try ChildProcess.run(.init(arguments), timeoutSeconds: 120)
        try #require(result.isSuccess, "\(arguments): \(result.lastWords)")
    }

    /// A disk with data, holes and zeros.
    private func disk(_ seed: UInt64) -> [UInt8] {
        var generator = SeededGenerator(seed: seed)
        var bytes = [UInt8](repeating: 0, count: Self.size)
        for _ in 0..<8 {
            let start = Int.random(in: 0..<Self.size - 100_000, using: &generator)
            bytes.replaceSubrange(start..<start + 100_000, with: generator.bytes(100_000))
        }
        return bytes
    }

    private func image(_ name: String, _ bytes: [UInt8]) throws -> String {
        let path = folder.file(name)
        let format = try #require(ImageFormat(nameOf: name))
        try Files.writeAtomically(folder.file("raw"), bytes)
        try run("qemu-img", "convert", "-f", "raw", "-O", format.rawValue, folder.file("raw"), path)
        return path
    }

    private func content(_ path: String) throws -> [UInt8] {
        let volume = try VolumeOpener.open(source: path)
        let buffer = Buffer(capacity: Self.size)
        buffer.count = Self.size
        try volume.read(
            at: 0, into: UnsafeMutableRawBufferPointer(rebasing: buffer.storage[..<Self.size]))
        return Array(buffer.bytes)
    }

    private func backUp(_ path: String) throws -> VolumeBackupResult {
        let result = try operations.backup(
            BackupOptions(machine: "web", sources: [.init(name: "disk", path: path)]))
        return try #require(result.volumes.first)
    }

    private func restore(_ target: String, isInPlace: Bool = false) throws -> VolumeRestoreResult {
        var options = RestoreOptions(point: "latest", target: target)
        options.isInPlace = isInPlace
        return try #require(try operations.restore(options).volumes.first)
    }

    @Test(arguments: ["disk.qcow2", "disk.vmdk", "disk.vhdx", "disk.vdi"])
    func `an image is backed up, and restored to a new one and in place`(name: String) throws {
        let bytes = disk(1)
        let path = try image(name, bytes)
        let result = try backUp(path)
        #expect(result.size == UInt64(Self.size))
        #expect(result.consistency == .crash && result.warnings == [])
        // The others' blocks are as large as this disk.
        if name == "disk.qcow2" { #expect(result.bytesRead < UInt64(Self.size)) }
        let new = folder.file("new " + name)
        #expect(try restore(new).bytesVerified == UInt64(Self.size))
        #expect(try content(new) == bytes)
        #expect(!Files.exists(new + RestoreTarget.partialEnding))
        #expect(throws: LifeboatError(.exists, "", subject: new)) { _ = try restore(new) }
        let other = disk(2)
        let existing = try image("existing " + name, other)
        let outcome = try restore(existing, isInPlace: true)
        #expect(outcome.bytesMatching > 0)
        #expect(try content(existing) == bytes)
        // Again: there is nothing left to write.
        #expect(try restore(existing, isInPlace: true).bytesWritten == 0)
    }

    @Test func `an export is backed up and restored in place`() throws {
        let socket = folder.file("socket")
        let server = try ChildProcess(
            .init(["nbdkit", "-f", "-U", socket, "memory", "\(Self.size)"]))
        defer { server.kill() }
        let deadline = Clock.monotonicSeconds() + 60
        while try !UNIXSocket.isListening(socket) {
            try #require(Clock.monotonicSeconds() < deadline)
            Threads.sleep(seconds: 0.02)
        }
        let uri = "nbd+unix:///?socket=\(socket)"
        let bytes = disk(3)
        let target = try NBDTarget(uri: uri)
        try bytes.withBytes { raw throws(LifeboatError) in try target.write(at: 0, raw) }
        let result = try backUp(uri)
        #expect(result.consistency == .none)
        #expect(result.warnings.contains { $0.contains("that nothing says is frozen") })
        let other = disk(4)
        try other.withBytes { raw throws(LifeboatError) in try target.write(at: 0, raw) }
        let mark: [UInt8] = [1]
        try mark.withBytes { raw throws(LifeboatError) in try target.write(at: 0, raw) }
        #expect(throws: LifeboatError(.refused, "", subject: uri)) { _ = try restore(uri) }
        _ = try restore(uri, isInPlace: true)
        #expect(try content(uri) == bytes)
        var options = RestoreOptions(point: "latest", target: uri)
        options.resumes = true
        #expect(throws: LifeboatError(.refused, "", subject: uri)) {
            _ = try operations.restore(options)
        }
        try target.zero(Extent(offset: 0, length: UInt64(Self.size)))
        #expect(try restore(uri).bytesWritten > 0)
        #expect(try content(uri) == bytes)
    }

    @Test func `an image that is too small is refused, and one by another name noted`() throws {
        let path = try image("disk.qcow2", disk(5))
        let renamed = folder.file("disk.img")
        try run("cp", path, renamed)
        let result = try backUp(renamed)
        #expect(result.size == (try Files.size(renamed)))
        #expect(result.warnings.contains { $0.contains("holds a qcow2 image") })
        #expect(!result.isDegraded)
        _ = try backUp(path)
        let small = folder.file("small.qcow2")
        try run("qemu-img", "create", "-q", "-f", "qcow2", small, "1M")
        #expect(throws: LifeboatError(.refused, "", subject: small)) {
            _ = try restore(small, isInPlace: true)
        }
    }

    @Test func `what was trimmed since is not read`() throws {
        let bytes = disk(6)
        let path = try image("disk.qcow2", bytes)
        _ = try backUp(path)
        let point = try #require(try operations.points(PointFilter()).first).id
        var expected = bytes
        let trimmed = Extent(offset: 0, length: 1 << 20)
        do {
            let server = try ImageServer(path: path, format: .qcow2, isWritable: true)
            let target = try NBDTarget(uri: server.uri)
            try target.zero(trimmed)
            let mark = [UInt8](repeating: 9, count: 16384)
            try mark.withBytes { raw throws(LifeboatError) in try target.write(at: 2 << 20, raw) }
            try target.sync()
            expected.replaceSubrange(
                0..<1 << 20, with: [UInt8](repeating: 0, count: 1 << 20))
            expected.replaceSubrange(2 << 20..<(2 << 20) + 16384, with: mark)
        }
        let hint = folder.file("changed")
        let text = ChangedExtentsText(
            base: point.hex, volume: "disk", size: UInt64(Self.size), granularity: 16384,
            extents: [trimmed, Extent(offset: 2 << 20, length: 16384)]
        ).text
        try Files.writeAtomically(hint, Array(text.utf8))
        var options = BackupOptions(
            machine: "web", sources: [.init(name: "disk", path: path)])
        options.changedExtents = ["disk": hint]
        let result = try #require(try operations.backup(options).volumes.first)
        #expect(result.method == "hint")
        #expect(result.bytesRead == 16384)
        #expect(result.bytesZero == 1 << 20)
        #expect(result.bytesUnchanged == UInt64(Self.size) - (1 << 20) - 16384)
        let target = folder.file("restored.raw")
        _ = try restore(target)
        #expect(try Files.readWhole(target, limit: Self.size) == expected)
        // The fingerprints know of it too: a whole scan finds all as it is.
        let whole = try backUp(path)
        #expect(whole.bytesNew == 0)
        let again = folder.file("again.raw")
        _ = try restore(again)
        #expect(try Files.readWhole(again, limit: Self.size) == expected)
    }
}
