import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatStore
import LifeboatSystem
import LifeboatTesting
import Testing

@testable import LifeboatArchive

@Suite struct PackTests {
    private let store = MemoryStore()
    private let repository: Repository
    private let domain: DomainKeys

    init() throws {
        repository = try TestRepository().open()
        domain = try repository.requireDomain()
    }

    /// What went into a pack.
    private struct Made {
        var name: Digest
        var bytes: [UInt8]
        /// Plain bytes, by frame and slot.
        var frames: [[[UInt8]]]
    }

    /// Builds a pack of random chunks, some of which compress, and stores it.
    private func make(
        _ content: PackLayout.Content, frames frameCount: Int, _ generator: inout SeededGenerator
    ) throws(LifeboatError) -> Made {
        let builder = try PackBuilder(
            content, domain: domain, recoveryKey: repository.configuration.recoveryKey,
            buffer: Buffer(capacity: PackBuilder.bufferByteCount))
        let hasher = content == .data ? domain.chunkHasher() : domain.nodeHasher()
        let encoder = FrameEncoder(level: 3, frameByteCount: 1 << 20)
        var frames: [[[UInt8]]] = []
        for _ in 0..<frameCount {
            let chunks = (0..<1 + generator.below(9)).map { _ in
                let bytes = generator.bytes(1 + generator.below(9000))
                return generator.below(2) == 0 ? bytes : bytes.map { $0 & 3 }
            }
            let slots = chunks.map { chunk in
                PackDirectory.Slot(
                    id: chunk.withUnsafeBytes { hasher.digest($0) }, length: UInt32(chunk.count))
            }
            try chunks.flatMap { $0 }.withBytes { raw throws(LifeboatError) in
                let packed = try encoder.compress(raw)
                let place = builder.reserve(
                    sealedByteCount: packed.bytes.count + FrameCipher.tagByteCount,
                    plainLength: raw.count, encoding: packed.encoding, slots: slots)
                try encoder.seal(packed.bytes, into: place)
            }
            frames.append(chunks)
        }
        let finished = builder.finish()
        let bytes = [UInt8](finished.bytes)
        try store.put(ObjectNames.pack(finished.name), bytes: bytes)
        return Made(name: finished.name, bytes: bytes, frames: frames)
    }

    private func open(
        _ name: Digest, recovery: RecoveryKey? = nil, domain other: DomainKeys? = nil
    ) throws(LifeboatError) -> OpenPack {
        let domain = other ?? domain
        return try OpenPack.open(
            name, store: store, domains: [domain.domain: domain], recovery: recovery)
    }

    private func decode(
        _ frame: Int, of pack: OpenPack, count: Int? = nil
    ) throws(LifeboatError) -> [UInt8] {
        let decoder = FrameDecoder(store: store, repository: repository.id)
        let count = count ?? Int(pack.directory.frames[frame].plainLength)
        let room = Buffer(capacity: count)
        try decoder.decode(frame, of: pack, plainCount: count, into: room.storage)
        return [UInt8](room.storage)
    }

    @Test(arguments: TestSeeds.all, [PackLayout.Content.data, .metadata])
    func `a pack comes back as it was built`(seed: UInt64, content: PackLayout.Content) throws {
        var generator = SeededGenerator(seed: seed)
        let note: Comment = "seed \(seed), \(content)"
        let made = try make(content, frames: 1 + generator.below(12), &generator)
        #expect(made.name == SHA256Hash.digest(made.bytes), note)
        #expect(made.bytes.count == SizeClass.padded(made.bytes.count), note)
        let pack = try open(made.name, recovery: repository.recovery)
        #expect(pack.header.content == content, note)
        #expect(pack.directory.frames.count == made.frames.count, note)
        let hasher = content == .data ? domain.chunkHasher() : domain.nodeHasher()
        for (number, chunks) in made.frames.enumerated() {
            let plain = chunks.flatMap { $0 }
            #expect(try decode(number, of: pack) == plain, note)
            let part = generator.below(plain.count + 1)
            #expect(try decode(number, of: pack, count: part) == Array(plain[0..<part]), note)
            let first = pack.directory.firstSlots[number]
            let slots = pack.directory.slots[first..<pack.directory.firstSlots[number + 1]]
            #expect(slots.map { Int($0.length) } == chunks.map(\.count), note)
            let ids = chunks.map { chunk in chunk.withUnsafeBytes { hasher.digest($0) } }
            #expect(slots.map(\.id) == ids, note)
        }
    }

    @Test func `what comes wrong once is no damage`() throws {
        var generator = SeededGenerator(seed: 3)
        let made = try make(.data, frames: 3, &generator)
        for wrong in 1...3 {
            let noisy = NoisyStore(store) { _, number in number == wrong }
            let pack = try OpenPack.open(
                made.name, store: noisy, domains: [domain.domain: domain],
                recovery: repository.recovery)
            let decoder = FrameDecoder(store: noisy, repository: repository.id)
            for (number, chunks) in made.frames.enumerated() {
                let plain = chunks.flatMap { $0 }
                let room = Buffer(capacity: plain.count)
                var fetched = [UInt8](
                    repeating: 9, count: Int(pack.directory.frames[number].sealedLength))
                // What was read ahead is believed no more than what is read now.
                try fetched.withMutableBytes { raw throws(LifeboatError) in
                    try decoder.decode(
                        number, of: pack, plainCount: plain.count, fetched: raw, into: room.storage)
                }
                #expect([UInt8](room.storage) == plain)
            }
            #expect(noisy.changeCount == 1)
        }
    }

    @Test func `frames are moved out of whole packs only`() throws {
        var generator = SeededGenerator(seed: 4)
        let made = try make(.data, frames: 3, &generator)
        let pack = try open(made.name)
        func moved(_ store: any ObjectStore) throws(LifeboatError) -> Digest {
            let other = Repository(
                store: store, configurations: repository.configurations,
                rosters: repository.rosters, writer: repository.writer,
                recovery: repository.recovery, domain: domain, domains: repository.domains,
                directories: repository.directories)
            let mover = FrameMover(repository: other, domain: domain)
            let bytes = try mover.load(pack)
            var cargo: [FrameMover.Cargo] = []
            for number in [0, 2] {
                cargo.append(try mover.take(.init(pack: pack, frame: number), outOf: bytes))
            }
            return try mover.store(cargo).name
        }
        let noisy = NoisyStore(store) { name, number in
            name.path.hasPrefix("packs/") && number == 1
        }
        let name = try moved(noisy)
        #expect(noisy.changeCount == 1)
        let new = try open(name, recovery: repository.recovery)
        #expect(new.keyIDs == pack.keyIDs)
        #expect(new.directory.frames.count == 2)
        for (number, old) in [0, 2].enumerated() {
            #expect(try decode(number, of: new) == made.frames[old].flatMap { $0 })
        }
        store.tamper(ObjectNames.pack(made.name)) {
            $0[Int(pack.directory.frames[2].offset) + 5] ^= 1
        }
        #expect(code { () throws(LifeboatError) in _ = try moved(store) } == .damaged)
    }

    @Test func `a data pack opens without the recovery key but for its frames`() throws {
        var generator = SeededGenerator(seed: 1)
        let made = try make(.data, frames: 2, &generator)
        let pack = try open(made.name)
        #expect(pack.directory.frames.count == 2)
        #expect(code { () throws(LifeboatError) in _ = try decode(0, of: pack) } == .wrongKey)
        let other = RecoveryKey.generate(repository: repository.id)
        let wrong = code { () throws(LifeboatError) in _ = try open(made.name, recovery: other) }
        #expect(wrong == .damaged)
    }

    @Test(arguments: TestSeeds.all, [PackLayout.Content.data, .metadata])
    func `a changed byte is noticed`(seed: UInt64, content: PackLayout.Content) throws {
        var generator = SeededGenerator(seed: seed)
        let made = try make(content, frames: 3, &generator)
        let table = content == .data ? PackLayout.dataKeyByteCount : PackLayout.metadataKeyByteCount
        for round in 0..<60 {
            let end = round < 20 ? PackLayout.headerByteCount + table : made.bytes.count
            let position =
                round < 40 ? generator.below(end) : made.bytes.count - 1 - generator.below(400)
            let flip = UInt8(1 << generator.below(8))
            store.tamper(ObjectNames.pack(made.name)) { $0[position] ^= flip }
            let found = code { () throws(LifeboatError) in
                let pack = try open(made.name, recovery: repository.recovery)
                for number in 0..<3 { _ = try decode(number, of: pack) }
            }
            #expect(
                found == .damaged || found == .unsupported, "seed \(seed), byte \(position)")
            store.tamper(ObjectNames.pack(made.name)) { $0[position] ^= flip }
        }
        _ = try open(made.name)
    }

    @Test(arguments: [0, 1, 71, 72, 103, 104, 1000, -1, -32, -33, 1])
    func `a pack of another length is refused`(change: Int) throws {
        var generator = SeededGenerator(seed: 4)
        let made = try make(.metadata, frames: 2, &generator)
        store.tamper(ObjectNames.pack(made.name)) { bytes in
            bytes = change < 0 ? bytes.dropLast(-change) : Array(bytes.prefix(change))
        }
        #expect(code { () throws(LifeboatError) in _ = try open(made.name) } == .damaged)
    }

    @Test func `a pack that is missing or of another domain is damaged`() throws {
        var generator = SeededGenerator(seed: 4)
        let made = try make(.metadata, frames: 1, &generator)
        let other = DomainKeys(
            repository: domain.repository, domain: .random(), secret: .random(count: 32))
        #expect(
            code { () throws(LifeboatError) in _ = try open(made.name, domain: other) } == .damaged)
        let pack = try open(made.name)
        try store.delete(ObjectNames.pack(made.name))
        #expect(code { () throws(LifeboatError) in _ = try open(made.name) } == .damaged)
        #expect(code { () throws(LifeboatError) in _ = try decode(0, of: pack) } == .damaged)
    }

    @Test func `frames cannot stand in for each other`() throws {
        var generator = SeededGenerator(seed: 11)
        let made = try make(.metadata, frames: 2, &generator)
        let pack = try open(made.name)
        let frames = pack.directory.frames
        let shorter = Int(min(frames[0].sealedLength, frames[1].sealedLength))
        store.tamper(ObjectNames.pack(made.name)) { bytes in
            for offset in 0..<shorter {
                bytes.swapAt(Int(frames[0].offset) + offset, Int(frames[1].offset) + offset)
            }
        }
        for number in 0..<2 {
            let found = code { () throws(LifeboatError) in _ = try decode(number, of: pack) }
            #expect(found == .damaged)
        }
    }
}

@Suite struct LocatorTests {
    @Test(arguments: TestSeeds.all) func `places are right in every order`(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let note: Comment = "seed \(seed)"
        let test = try TestRepository()
        let repository = try test.open()
        let session = try WriteSession.fresh(repository)
        defer { session.end() }
        var ids: [Digest] = []
        // Two packs of chunks; flushing closes one.
        for _ in 0..<2 {
            for _ in 0..<4 {
                ids += try session.store(
                    chunks: (0..<1 + generator.below(6)).map { _ in generator.bytes(500) })
            }
            try session.flush()
        }
        let index = try session.indexSoFar()
        let locator = Locator(index: index, packs: try PackCache(repository))
        var order = ids
        for round in 0..<3 {
            if round > 0 { order.shuffle(using: &generator) }
            for id in order {
                let place = try locator.find(id)
                let directory = place.pack.directory
                #expect(
                    directory.slots[directory.firstSlots[place.frame] + place.slot].id == id, note)
                #expect(place.slot < Int(directory.frames[place.frame].slotCount), note)
                let same = try index.find(id)
                #expect(
                    same == Location(pack: place.pack.name, frame: place.frame, slot: place.slot),
                    note)
                let avoided = code { () throws(LifeboatError) in
                    _ = try locator.find(id, except: [place.pack.name])
                }
                #expect(avoided == .damaged, note)
            }
        }
        #expect(
            code { () throws(LifeboatError) in _ = try locator.find(generator.digest()) }
                == .damaged, note)
    }
}
