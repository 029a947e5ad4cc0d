import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatSystem
import LifeboatTesting

/// Valid inputs for every target, always the same: what the fuzzers start from.
struct Corpus {
    private var random = SeededGenerator(seed: 1)

    /// The samples of a target.
    static func samples(_ name: String) -> [[UInt8]] {
        var corpus = Corpus()
        return corpus.make(name)
    }

    private mutating func make(_ name: String) -> [[UInt8]] {
        switch name {
        case "cbor":
            [
                point(volumes: 1).payload.encoded(), [0xF5],
                CBOR.array([.unsigned(1 << 40)]).encoded(),
            ]
        case "configuration": [signed(.configuration, configuration().payload)]
        case "roster": [signed(.roster, roster().payload)]
        case "keyslot": keySlots()
        case "logentry":
            [
                signed(.logEntry, logEntry(0).payload), signed(.logEntry, logEntry(3).payload),
                signed(.logEntry, keeperEntry().payload),
            ]
        case "checkpoint":
            [
                signed(.checkpoint, checkpoint(0).payload),
                signed(.checkpoint, checkpoint(2).payload),
            ]
        case "checkrecord": [signed(.checkRecord, checkRecord().payload)]
        case "replicaview": [replicaView(points: 0), replicaView(points: 3)]
        case "spoolrecord": [content(spoolRecord().payload)]
        case "spoolnotes": [content(spoolNotes(0).payload), content(spoolNotes(2).payload)]
        case "point": [point(volumes: 1).payload.encoded(), point(volumes: 3).payload.encoded()]
        case "packheader": [packHeader(.data), packHeader(.metadata)]
        case "packdirectory": packDirectories()
        case "indextable": [indexTable()]
        case "node": [node(level: 0), node(level: 3)]
        case "recoverykey": recoveryKeys()
        case "recoverypart": recoveryParts()
        case "changedextents": [changedExtents(0), changedExtents(9)]
        case "zstd": zstandard()
        default: MachineSamples.samples(name)
        }
    }

    private mutating func identifier() -> Identifier {
        guard let identifier = Identifier(random.bytes(16)) else {
            preconditionFailure("16 bytes are an identifier")
        }
        return identifier
    }

    private mutating func digest() -> Digest {
        Digest(random.next(), random.next(), random.next(), random.next())
    }

    private mutating func signed(_ kind: ObjectKind, _ payload: CBOR) -> [UInt8] {
        Envelope.unsigned(kind, payload) + random.bytes(64)
    }

    private mutating func configuration() -> Configuration {
        Configuration(
            repository: identifier(), chunkSize: 65536, rootKey: random.bytes(32),
            recoveryKey: random.bytes(1216), created: 1_767_225_600_000,
            domains: [
                .init(
                    id: identifier(), encapsulation: random.bytes(1120),
                    sealedSecret: random.bytes(48))
            ], number: 2, previous: digest(),
            earlierKeys: [
                .init(
                    publicKey: random.bytes(1216), encapsulation: random.bytes(1120),
                    sealedSeed: random.bytes(48))
            ], rosterNumber: 3, rosterDigest: digest())
    }

    private mutating func roster() -> Roster {
        var members: [Roster.Member] = []
        for role in [Roster.Role.writer, .keeper] {
            members.append(
                .init(
                    id: identifier(), role: role, publicKey: random.bytes(32), domain: identifier(),
                    sealedLabel: random.bytes(60),
                    revoked: role == .keeper
                        ? [.init(incarnation: identifier(), sequence: 7, digest: digest())] : nil,
                    joined: 8, isSuspended: role == .keeper))
        }
        return Roster(repository: identifier(), number: 2, previous: digest(), members: members)
    }

    private mutating func keySlots() -> [[UInt8]] {
        let wrappings: [KeySlot.Wrapping] = [
            .password(logCost: 16, blockSize: 8, parallelism: 1), .keyFile,
        ]
        var slots: [[UInt8]] = []
        for wrapping in wrappings {
            let slot = KeySlot(
                id: identifier(), wrapping: wrapping, salt: random.bytes(32), created: 7,
                sealedKeys: random.bytes(200), sealedLabel: random.bytes(20))
            slots.append(Envelope.unsigned(.keySlot, slot.payload))
        }
        return slots
    }

    private mutating func logEntry(_ count: Int) -> LogEntry {
        var digests: [Digest] = []
        for _ in 0..<count { digests.append(digest()) }
        let heads = digests.map {
            LogHead(incarnation: identifier(), sequence: 5, digest: $0)
        }
        var entry = LogEntry(
            repository: identifier(), member: identifier(), incarnation: identifier(),
            sequence: 300, previous: digest(), domain: identifier(), time: 1_767_225_600_000)
        entry.heads = heads
        entry.opened = heads.map(\.incarnation)
        entry.closed = [identifier()]
        entry.body = digest()
        entry.packs = digests
        entry.runs = digests
        entry.replacedRuns = digests
        for digest in digests {
            entry.tagEdits.append(.init(point: digest, sealed: random.bytes(60)))
        }
        return entry
    }

    private mutating func references() -> [ObjectReference] {
        var result: [ObjectReference] = []
        for kind in ObjectReference.Kind.allCases { result.append(.init(kind, digest())) }
        return result
    }

    private mutating func keeperEntry() -> LogEntry {
        var entry = LogEntry(
            repository: identifier(), member: identifier(), incarnation: identifier(),
            sequence: 2, previous: digest(), domain: identifier(), time: 1_767_225_600_000)
        entry.condemned = references()
        entry.released = references()
        entry.doomed = references()
        entry.forgotten = [digest()]
        entry.held = [digest()]
        entry.unheld = [digest()]
        entry.fenced = [identifier()]
        entry.ends = [.init(incarnation: identifier(), sequence: 5, digest: digest())]
        entry.proposal = .init(ordinal: 6, digest: digest())
        entry.checkpoint = .init(ordinal: 5, digest: digest())
        entry.sparse = [digest()]
        entry.emptied = [digest(), digest()]
        return entry
    }

    private mutating func checkpoint(_ count: Int) -> Checkpoint {
        var checkpoint = Checkpoint(
            repository: identifier(), member: identifier(), ordinal: 7,
            observed: 1_767_225_600_000)
        for number in 0..<count {
            let mark = Checkpoint.Mark(identifier(), 9)
            checkpoint.logs.append(
                .init(
                    member: identifier(),
                    head: .init(incarnation: identifier(), sequence: 8, digest: digest()),
                    time: 3, knows: [mark],
                    sessions: [.init(id: identifier(), sequence: 7, time: 2, knows: [mark])],
                    fencedBy: [identifier()], isEnded: number == 1))
            checkpoint.points.append(
                .init(
                    id: digest(), incarnation: identifier(), sequence: 8, member: identifier(),
                    domain: identifier(), body: digest(), time: 3, after: 2, seen: 4,
                    forgotten: number == 1 ? mark : nil, isHeld: number == 1,
                    tags: number == 1 ? random.bytes(60) : []))
            let group = Checkpoint.Group(
                member: identifier(), domain: identifier(), digests: [digest(), digest()])
            checkpoint.packs.append(group)
            checkpoint.runs.append(group)
            checkpoint.sparse.append(group)
            checkpoint.condemnations.append(.init(by: mark, references: references()))
            checkpoint.doomed += references()
            checkpoint.emptied.append(digest())
        }
        return checkpoint
    }

    private mutating func checkRecord() -> CheckRecord {
        CheckRecord(
            repository: identifier(), signer: identifier(), time: 9, depth: .data, percent: 100,
            problems: 0,
            heads: [.init(incarnation: identifier(), sequence: 1, digest: digest())])
    }

    /// The content of a view, without its checksum.
    private mutating func replicaView(points count: Int) -> [UInt8] {
        content(
            ReplicaView(
                repository: identifier(), number: 7, time: 9,
                heads: [.init(incarnation: identifier(), sequence: 1, digest: digest())],
                absentPoints: (0..<count).map { _ in digest() },
                absentPacks: (0..<count).map { _ in digest() }
            ).payload)
    }

    private mutating func spoolRecord() -> SpoolRecord {
        SpoolRecord(
            repository: identifier(), number: 3, member: identifier(), domain: identifier(),
            time: 9, body: digest(), bases: [digest()], packs: [digest(), digest()],
            earlierPacks: [digest()], byteCount: 1 << 20)
    }

    private mutating func spoolNotes(_ count: Int) -> SpoolNotes {
        var notes = SpoolNotes(repository: identifier())
        for number in 0..<UInt64(count) {
            notes.lastNumber = number
            notes.attempted.insert(digest())
            notes.bodies.append(.init(number, digest()))
            notes.sent.append(.init(number, .init(local: digest(), point: digest())))
            notes.blocked.append(.init(number, "its base is gone"))
        }
        return notes
    }

    private func content(_ payload: CBOR) -> [UInt8] {
        guard case .map(let fields) = payload, case .bytes(let content)? = fields[1] else {
            preconditionFailure("what is checksummed is a map of content and checksum")
        }
        return content
    }

    private mutating func point(volumes count: Int) -> PointBody {
        var volumes: [PointBody.Volume] = []
        for number in 0..<count {
            volumes.append(
                .init(
                    name: "disk\(number)", size: 1 << 40, root: digest(), levels: 5,
                    consistency: .crash, method: "hint", bytesRead: 1, bytesNew: 2,
                    bytesStored: 3, bytesZero: 4, bytesUnchanged: 5, warnings: ["it changed"]))
        }
        return PointBody(
            machine: "machine", host: "host", begun: 1, ended: 2, consistency: .none,
            parent: digest(), tags: ["key": "value"], volumes: volumes, program: "lifeboat")
    }

    private mutating func packHeader(_ content: PackLayout.Content) -> [UInt8] {
        PackLayout.header(
            content, keyCount: 1, repository: identifier(), domain: identifier(),
            salt: random.bytes(32))
    }

    private mutating func packDirectories() -> [[UInt8]] {
        var directory = PackDirectory()
        for number in 0..<3 {
            directory.append(
                .init(
                    offset: UInt32(FuzzTarget.framesOffset + 1000 * number), sealedLength: 1000,
                    plainLength: 3000, slotCount: 2, keyIndex: 0, encoding: 1,
                    counter: UInt64(number)),
                [.init(id: digest(), length: 1000), .init(id: digest(), length: 2000)])
        }
        return [PackDirectory().encoded(paddedTo: 8), directory.encoded(paddedTo: 400)]
    }

    private func indexTable() -> [UInt8] {
        let shape = IndexTableShape(
            entryCount: 100, packCount: 2, level: 1, first: 5, last: 1 << 50)
        return shape.encoded + [UInt8](repeating: 0, count: shape.byteCount)
    }

    private mutating func node(level: Int) -> [UInt8] {
        var node = BlockMapNode.empty(level: level)
        for slot in [0, 3, 17] { node.children[slot] = digest() }
        return node.encoded() ?? []
    }

    private mutating func recoveryKeys() -> [[UInt8]] {
        let key = random.bytes(RecoveryKeyText.byteCount)
        return [Array(RecoveryKeyText.file(key).utf8), Array(RecoveryKeyText.code(key).utf8)]
    }

    private mutating func recoveryParts() -> [[UInt8]] {
        let part = RecoveryKeyPart(
            set: 0x5f3a, number: 2, needed: 3, total: 5, repository: identifier(),
            bytes: random.bytes(RecoveryKeyText.byteCount))
        return [Array(part.file.utf8), Array(part.code.utf8)]
    }

    private mutating func changedExtents(_ count: Int) -> [UInt8] {
        let text = ChangedExtentsText(
            base: digest().hex, volume: "disk", size: 1 << 30, granularity: 4096,
            extents: (0..<count).map { Extent(offset: UInt64($0) << 20, length: 8192) })
        return Array(text.text.utf8)
    }

    private mutating func zstandard() -> [[UInt8]] {
        var result: [[UInt8]] = []
        let text = [UInt8](repeatElement(Array("the same again, ".utf8), count: 300).joined())
        for plain in [random.bytes(2000).map { $0 & 7 }, text, []] {
            let room = Buffer(capacity: Compressor.bound(plain.count))
            let count = plain.withUnsafeBytes { raw in
                (try? Compressor(level: 3).compress(raw, into: room.storage)) ?? 0
            }
            let size = [UInt8(plain.count & 255), UInt8(plain.count >> 8), 0]
            result.append(size + [UInt8](room.storage[0..<count]))
        }
        return result
    }
}
