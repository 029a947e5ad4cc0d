import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatStore
import LifeboatSystem
import LifeboatTesting
import Testing

@testable import Lifeboat
@testable import LifeboatArchive

/// Restores from a store where each request waits for a network.
@Suite struct FrameReadAheadTests {
    private let memory = MemoryStore()
    private let folder: TemporaryDirectory
    private let recovery = RecoveryKey.generate(repository: .random())
    private let secret = WrappingSecret.keyFile(SecretBytes(randomBytes(32)))
    private var content: [UInt8]

    /// A volume whose chunks lie in frames of four backups.
    init() throws {
        folder = try TemporaryDirectory()
        var generator = SeededGenerator(seed: 5)
        content = generator.bytes(10 << 20)
        try Repository.create(
            in: memory, recovery: recovery, chunkSize: 65536, secret: secret, keyLabel: "test")
        for round in 0..<4 {
            if round > 0 {
                for chunk in stride(from: round, to: content.count / 65536, by: 7) {
                    content.replaceSubrange(
                        chunk * 65536..<(chunk + 1) * 65536, with: generator.bytes(65536))
                }
            }
            try Files.writeAtomically(folder.file("disk"), content)
            _ = try operations(memory).backup(
                BackupOptions(
                    machine: "m", sources: [.init(name: "disk", path: folder.file("disk"))]))
        }
    }

    private func operations(_ store: any ObjectStore) throws(LifeboatError) -> Operations {
        Operations(
            on: try Repository.open(
                store, secret: secret, recovery: recovery, stateRoot: folder.file("state"),
                cacheRoot: folder.file("cache")))
    }

    private func tasks() throws -> [FrameTask] {
        let repository = try Repository.open(
            memory, secret: secret, recovery: recovery, stateRoot: folder.file("state"),
            cacheRoot: folder.file("cache"))
        let log = try repository.readLog()
        let index = try Index.open(repository, ledger: log.ledger)
        let hasher = try repository.requireDomain().chunkHasher()
        var ids: [(chunk: UInt64, id: Digest)] = []
        for chunk in 0..<content.count / 65536 {
            let bytes = Array(content[chunk * 65536..<(chunk + 1) * 65536])
            ids.append((UInt64(chunk), bytes.withUnsafeBytes { hasher.digest($0) }))
        }
        return try FramePlanner(Locator(index: index, packs: try PackCache(repository)))
            .plan(ids) { _, _ in Issue.record("a chunk is lost") }
    }

    private static func name(_ task: FrameTask) -> String { "\(task.pack.name.hex)#\(task.frame)" }

    @Test func `ranges are of one pack and bounded, and hold each frame once`() throws {
        let tasks = try tasks().sorted {
            ($0.pack.name, $0.frame) < ($1.pack.name, $1.frame)
        }
        let ranges = FrameReadAhead.ranges(tasks)
        #expect(ranges.count < tasks.count)
        #expect(ranges.flatMap { $0.tasks.map(Self.name) } == tasks.map(Self.name))
        for range in ranges {
            #expect(Set(range.tasks.map(\.pack.name)).count == 1)
            #expect(range.count <= FrameReadAhead.bufferByteCount)
        }
    }

    /// Writers with many threads fill packs almost in the order of the volume.
    @Test(arguments: TestSeeds.all)
    func `frames almost in order are read together`(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let sorted = try tasks().sorted { ($0.pack.name, $0.frame) < ($1.pack.name, $1.frame) }
        var mixed = sorted
        for index in stride(from: 0, to: mixed.count - 1, by: 2)
        where Bool.random(using: &generator) {
            mixed.swapAt(index, index + 1)
        }
        let ranges = FrameReadAhead.ranges(mixed)
        #expect(ranges.count == FrameReadAhead.ranges(sorted).count)
        #expect(Set(ranges.flatMap { $0.tasks.map(Self.name) }) == Set(sorted.map(Self.name)))
        #expect(ranges.reduce(0) { $0 + $1.tasks.count } == sorted.count)
        // With no room for two frames each comes by itself.
        #expect(FrameReadAhead.ranges(mixed, limit: 0).count == sorted.count)
    }

    @Test func `a stream comes back bit for bit`() throws {
        let store = NoisyStore(memory) { _, _ in false }
        let target = folder.file("stream")
        let file = try File(path: target, access: .createNew)
        var options = RestoreOptions(point: "latest", target: "-")
        options.volumes = ["disk"]
        options.outputDescriptor = file.descriptor
        _ = try operations(store).restore(options)
        #expect(try Files.readWhole(target, limit: 16 << 20) == content)
    }

    @Test func `the bytes of each frame are those in the store`() throws {
        let tasks = try tasks().sorted {
            ($0.pack.name, $0.frame) < ($1.pack.name, $1.frame)
        }
        let store = NoisyStore(memory) { _, _ in false }
        let ahead = FrameReadAhead(store)
        let reading = Threads.start(name: "read ahead") { ahead.run(tasks, goesOn: { true }) }
        var seen: Set<String> = []
        while let range = ahead.next() {
            for task in range.tasks {
                let frame = task.pack.directory.frames[task.frame]
                var expected = [UInt8](repeating: 0, count: Int(frame.sealedLength))
                _ = try expected.withMutableBytes { raw throws(LifeboatError) in
                    try memory.read(task.pack.object, at: UInt64(frame.offset), into: raw)
                }
                let found = try #require(range.bytes(of: task))
                #expect(found.elementsEqual(expected))
                seen.insert(Self.name(task))
            }
            ahead.done(range)
        }
        reading.join()
        #expect(seen == Set(tasks.map(Self.name)))
    }

    @Test func `a volume comes back bit for bit`() throws {
        let store = NoisyStore(memory) { _, _ in false }
        let target = folder.file("restored")
        _ = try operations(store).restore(RestoreOptions(point: "latest", target: target))
        #expect(try Files.readWhole(target, limit: 16 << 20) == content)
    }

    @Test(.timeLimit(.minutes(5)), arguments: TestSeeds.all)
    func `a store that fails is an error and no hang`(seed: UInt64) throws {
        let store = NoisyStore(
            FaultStore(
                memory,
                plan: .gone(after: Int(seed % 40) + 20, .unavailable))
        ) { _, _ in false }
        let found = code { () throws(LifeboatError) in
            _ = try operations(store).restore(
                RestoreOptions(point: "latest", target: folder.file("restored-\(seed)")))
        }
        #expect(found == nil || found == .unavailable)
    }
}
