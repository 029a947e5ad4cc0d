import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatSystem
import LifeboatTesting
import Testing

@testable import Lifeboat
@testable import LifeboatArchive

@Suite struct FingerprintFileTests {
    private let folder: TemporaryDirectory
    private let root = BlockMapRoot(id: Digest(1, 2, 3, 4), levels: 2)
    private var path: String { folder.file("fingerprints") }

    init() throws { folder = try TemporaryDirectory() }

    private func keep(_ tags: [FingerprintTag], from first: UInt64) throws -> SecretBytes {
        let file = try FingerprintFile.create(path, key: nil)
        try file.write(tags, from: first)
        try file.keep(at: path, root: root, size: 1000, chunkSize: 65536)
        return file.key
    }

    private func opens(
        _ id: Digest = Digest(1, 2, 3, 4), levels: Int = 2, size: UInt64 = 1000,
        chunkSize: Int = 65536
    ) -> Bool {
        FingerprintFile.open(
            path, root: .init(id: id, levels: levels), size: size, chunkSize: chunkSize) != nil
    }

    @Test func `tags come back, zeros where none were written`() throws {
        let tags = (0..<50).map { FingerprintTag(low: UInt64($0), high: ~UInt64($0)) }
        let key = try keep(tags, from: 100)
        let file = try #require(
            FingerprintFile.open(path, root: root, size: 1000, chunkSize: 65536))
        #expect(file.key.withBytes { Array($0) } == key.withBytes { Array($0) })
        #expect(try file.tags(from: 100, count: 50) == tags)
        let zero = FingerprintTag(low: 0, high: 0)
        #expect(try file.tags(from: 99, count: 2) == [zero, tags[0]])
        #expect(try file.tags(from: 149, count: 3) == [tags[49], zero, zero])
        #expect(try file.tags(from: 1 << 30, count: 1) == [zero])
    }

    @Test func `fingerprints belong to one map, size and chunk size`() throws {
        #expect(!opens())
        _ = try keep([], from: 0)
        #expect(opens())
        #expect(!opens(Digest(1, 2, 3, 5)))
        #expect(!opens(.zero))
        #expect(!opens(levels: 3))
        #expect(!opens(size: 1001))
        #expect(!opens(chunkSize: 16384))
    }

    @Test func `fingerprints that were begun and not kept are worth nothing`() throws {
        _ = try keep([], from: 0)
        let new = try FingerprintFile.create(path, key: nil)
        #expect(opens())
        new.drop()
        #expect(try Files.list(folder.path) == ["fingerprints"])

        let changed = try #require(
            FingerprintFile.open(path, root: root, size: 1000, chunkSize: 65536))
        try changed.invalidate()
        #expect(!opens())
        try changed.keep(at: path, root: root, size: 2000, chunkSize: 65536)
        #expect(opens(size: 2000))
    }

    @Test func `a cut or foreign file is no fingerprint file`() throws {
        _ = try keep([], from: 0)
        let bytes = try Files.readWhole(path, limit: 1 << 20)
        try Files.writeAtomically(path, Array(bytes.dropLast()))
        #expect(!opens())
        try Files.writeAtomically(path, [0] + bytes.dropFirst())
        #expect(!opens())
        try Files.writeAtomically(path, bytes)
        #expect(opens())
    }

    @Test func `machine and volume name a file of their own`() throws {
        let directories = try LocalDirectories(
            stateRoot: folder.file("state"), cacheRoot: folder.file("cache"), repository: .random())
        let names = [("a", "b"), ("a", "c"), ("b", "b"), ("ab", ""), ("", "ab")].map {
            FingerprintFile.path(directories, machine: $0.0, volume: $0.1)
        }
        #expect(Set(names).count == 5)
    }
}

@Suite struct RestoreJournalTests {
    private let folder: TemporaryDirectory
    private let directories: LocalDirectories
    private let id = Digest(1, 2, 3, 4)

    init() throws {
        folder = try TemporaryDirectory()
        directories = try LocalDirectories(
            stateRoot: folder.file("state"), cacheRoot: folder.file("cache"), repository: .random())
    }

    private func journal(
        _ target: String = "target", point: Digest? = nil, volume: String = "disk"
    ) -> RestoreJournal {
        RestoreJournal(
            directories, target: folder.file(target), point: point ?? id, volume: volume)
    }

    @Test func `a position holds for its target, point and volume`() throws {
        #expect(journal().position == nil)
        try journal().note(7)
        try journal().note(99)
        #expect(journal().position == 99)
        #expect(journal("other").position == nil)
        #expect(journal(point: Digest(1, 2, 3, 5)).position == nil)
        #expect(journal(volume: "disk2").position == nil)
        journal().remove()
        #expect(journal().position == nil)
    }

    @Test func `a journal that does not read counts as none`() throws {
        try journal().note(7)
        let name = try #require(try Files.list(directories.restores).first)
        for text in ["", "nonsense", "\(id.hex) disk\n", "\(id.hex) disk\nseven\n"] {
            try Files.writeAtomically(directories.restores + "/" + name, Array(text.utf8))
            #expect(journal().position == nil, "\(text)")
        }
    }

    private func prepare(_ path: String, resumes: Bool) throws -> UInt64 {
        var options = RestoreOptions(point: id.hex, target: path)
        options.resumes = resumes
        let volume = point(id: id, volume: "disk", size: 1 << 20).body.volumes[0]
        return try RestoreTarget.prepare(
            path, volume, point: id, options: options, directories: directories
        ).position
    }

    @Test func `a restore that begins anew forgets how far an earlier one came`() throws {
        let path = folder.file("target")
        #expect(try prepare(path, resumes: false) == 0)
        try journal().note(9)
        #expect(try prepare(path, resumes: true) == 9)
        // Somebody removes what was restored; the next run is interrupted before it notes anything.
        try Files.remove(path + RestoreTarget.partialEnding)
        #expect(try prepare(path, resumes: false) == 0)
        #expect(try prepare(path, resumes: true) == 0)
    }

    @Test func `a refused restore keeps what was noted`() throws {
        let path = folder.file("target")
        #expect(try prepare(path, resumes: false) == 0)
        try journal().note(9)
        #expect(throws: LifeboatError.self) { try prepare(path, resumes: false) }
        #expect(try prepare(path, resumes: true) == 9)
    }

    @Test func `a relative target is that of the current directory`() throws {
        let relative = RestoreJournal(directories, target: "no-such-file", point: id, volume: "d")
        try relative.note(3)
        let absolute = RestoreJournal(
            directories, target: Files.currentDirectory + "/no-such-file", point: id, volume: "d")
        #expect(absolute.position == 3)
    }
}
