import LifeboatArchive
import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatStore
import LifeboatSystem
import LifeboatTesting
import Testing

@testable import Lifeboat

/// Random reads of a point against the volume that it was made of.
@Suite struct ServedVolumeTests {
    private let memory = MemoryStore()
    private let folder: TemporaryDirectory
    private let recovery = RecoveryKey.generate(repository: .random())
    private let secret = WrappingSecret.keyFile(SecretBytes(randomBytes(32)))
    private var content: [UInt8] = []
    private static let chunk = 65536

    /// A volume of three backups, a third of whose chunks are zeros, and which ends inside a chunk.
    init() throws {
        folder = try TemporaryDirectory()
        var generator = SeededGenerator(seed: 7)
        content = generator.bytes(4 << 20 + 1234)
        for chunk in 0..<content.count / Self.chunk where chunk / 4 % 3 == 1 {
            let range = chunk * Self.chunk..<(chunk + 1) * Self.chunk
            content.replaceSubrange(range, with: [UInt8](repeating: 0, count: Self.chunk))
        }
        try Repository.create(
            in: memory, recovery: recovery, chunkSize: Self.chunk, secret: secret,
            keyLabel: "test")
        for round in 0..<3 {
            for chunk in stride(from: round, to: content.count / Self.chunk, by: 11)
            where round > 0 {
                content.replaceSubrange(
                    chunk * Self.chunk..<(chunk + 1) * Self.chunk,
                    with: generator.bytes(Self.chunk))
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

    /// `frameMemory`: so little that frames are dropped all the time.
    private func open(
        _ store: (any ObjectStore)? = nil, usesDisk: Bool = false, frameMemory: Int = 1 << 20,
        cacheSize: UInt64 = 8 << 20
    ) throws(LifeboatError) -> PointReader {
        var options = PointReaderOptions(point: "latest")
        options.usesDisk = usesDisk
        options.frameMemory = frameMemory
        options.cacheSize = cacheSize
        return try operations(store ?? memory).openPoint(options)
    }

    private static func read(
        _ volume: ServedVolume, _ offset: Int, _ count: Int
    ) throws(LifeboatError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0xEE, count: count)
        try bytes.withMutableBytes { raw throws(LifeboatError) in
            try volume.read(at: UInt64(offset), into: raw)
        }
        return bytes
    }

    /// Compares reads of random places and lengths with the content.
    private func compare(
        _ volume: ServedVolume, seed: UInt64, count: Int
    ) throws(LifeboatError) -> Bool {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<count {
            let offset = Int.random(in: 0..<content.count, using: &generator)
            let largest = Bool.random(using: &generator) ? 5000 : 1 << 20
            let length = min(
                content.count - offset, Int.random(in: 1...largest, using: &generator))
            let bytes = try Self.read(volume, offset, length)
            guard bytes == Array(content[offset..<offset + length]) else { return false }
        }
        return true
    }

    @Test(arguments: TestSeeds.all, [false, true])
    func `random reads are what was backed up`(seed: UInt64, usesDisk: Bool) throws {
        let point = try open(usesDisk: usesDisk)
        let volume = try point.volume("disk")
        #expect(volume.size == UInt64(content.count))
        #expect(try compare(volume, seed: seed, count: 40))
        #expect(point.access.frames.byteCount <= 1 << 20 + PackLayout.frameByteLimit)
    }

    @Test(arguments: [false, true])
    func `many threads read at once`(usesDisk: Bool) throws {
        let point = try open(usesDisk: usesDisk)
        let volume = try point.volume("disk")
        let right = Guarded(0)
        let failure = Guarded<LifeboatError?>(nil)
        Threads.run(count: 8, name: "read") { number in
            do throws(LifeboatError) {
                if try compare(volume, seed: UInt64(number), count: 15) {
                    right.withLock { $0 += 1 }
                }
            } catch {
                failure.withLock { $0 = error }
            }
        }
        #expect(failure.withLock { $0 } == nil)
        #expect(right.withLock { $0 } == 8)
    }

    @Test func `who reads in order gets the same`() throws {
        let volume = try open(frameMemory: 32 << 20).volume("disk")
        var offset = 0
        while offset < content.count {
            let count = min(50_000, content.count - offset)
            #expect(
                try Self.read(volume, offset, count) == Array(content[offset..<offset + count]))
            offset += count
        }
    }

    @Test func `there is nothing behind the end`() throws {
        let volume = try open().volume("disk")
        #expect(
            code { () throws(LifeboatError) in
                _ = try Self.read(volume, content.count - 5, 6)
            } == .usage)
        #expect(try Self.read(volume, content.count, 0) == [])
        #expect(code { () throws(LifeboatError) in _ = try open().volume("other") } == .missing)
    }

    @Test func `holes are zeros and the rest is not`() throws {
        let volume = try open().volume("disk")
        for start in [0, 1000, 3 << 20 + 3] {
            var position = UInt64(start)
            while position < volume.size {
                let asked = Extent(offset: position, length: .max - position)
                let runs = try volume.runs(asked)
                #expect(!runs.isEmpty)
                for run in runs {
                    #expect(run.extent.offset == position)
                    position = run.extent.end
                    // Whole chunks, but where the question began.
                    for chunk in stride(
                        from: run.extent.offset / UInt64(Self.chunk) * UInt64(Self.chunk),
                        to: run.extent.end, by: Self.chunk)
                    {
                        let end = min(content.count, Int(chunk) + Self.chunk)
                        let isZero = content[Int(chunk)..<end].allSatisfy { $0 == 0 }
                        #expect(isZero == run.isHole, "chunk at \(chunk)")
                    }
                }
            }
            #expect(position == volume.size)
        }
    }

    @Test func `what changes in the cache is fetched again`() throws {
        let store = FaultStore(memory)
        let point = try open(store, usesDisk: true, cacheSize: 64 << 20)
        let volume = try point.volume("disk")
        #expect(try Self.read(volume, 0, content.count) == content)
        let disk = try #require(point.access.disk)
        #expect(disk.count > 1)
        let before = store.count(.read)
        #expect(try Self.read(volume, 0, content.count) == content)
        #expect(store.count(.read) == before, "the cache serves nobody")
        disk.damage()
        #expect(try Self.read(volume, 0, content.count) == content)
        #expect(store.count(.read) > before)
    }

    /// Which chunks lie in which frame of which pack.
    private func tasks() throws -> [FrameTask] {
        let repository = try Repository.open(
            memory, secret: secret, recovery: recovery, stateRoot: folder.file("state"),
            cacheRoot: folder.file("cache"))
        let log = try repository.readLog()
        let index = try Index.open(repository, ledger: log.ledger)
        let hasher = try repository.requireDomain().chunkHasher()
        var ids: [(chunk: UInt64, id: Digest)] = []
        for start in stride(from: 0, to: content.count, by: Self.chunk) {
            let bytes = Array(content[start..<min(content.count, start + Self.chunk)])
            if bytes.allSatisfy({ $0 == 0 }) { continue }
            ids.append(
                (UInt64(start / Self.chunk), bytes.withUnsafeBytes { hasher.digest($0) }))
        }
        return try FramePlanner(Locator(index: index, packs: try PackCache(repository)))
            .plan(ids) { _, _ in Issue.record("a chunk is lost") }
    }

    @Test(arguments: TestSeeds.all, [false, true])
    func `of a damaged pack exactly what lies there is lost`(seed: UInt64, usesDisk: Bool) throws {
        var generator = SeededGenerator(seed: seed)
        let tasks = try tasks()
        let hit = try #require(tasks.randomElement(using: &generator))
        let frame = hit.pack.directory.frames[hit.frame]
        let place =
            Int(frame.offset) + Int.random(in: 0..<Int(frame.sealedLength), using: &generator)
        memory.tamper(ObjectNames.pack(hit.pack.name)) { $0[place] ^= 0x10 }
        let lost = Set(hit.items.map(\.chunk))
        let volume = try open(usesDisk: usesDisk).volume("disk")
        for chunk in 0..<UInt64((content.count + Self.chunk - 1) / Self.chunk) {
            let start = Int(chunk) * Self.chunk
            let end = min(content.count, start + Self.chunk)
            do throws(LifeboatError) {
                let bytes = try Self.read(volume, start, end - start)
                #expect(!lost.contains(chunk))
                #expect(bytes == Array(content[start..<end]))
            } catch {
                #expect(lost.contains(chunk), "\(error)")
                #expect(error.code == .damaged)
                #expect(error.subject == ObjectNames.pack(hit.pack.name).path)
                #expect(error.message.contains("bytes \(start) to \(end) of volume disk"))
            }
        }
    }

    @Test func `bits that change on the way are no damage`() throws {
        let noisy = NoisyStore(memory) { _, number in number == 2 }
        let volume = try open(noisy, usesDisk: true).volume("disk")
        #expect(try Self.read(volume, 0, content.count) == content)
        #expect(noisy.changeCount > 0)
    }
}
