import LifeboatCore
import LifeboatFormat
import Testing

/// Values of every kind, small and all different, for the suites of this module.
enum Samples {
    static func identifier(_ byte: UInt8) -> Identifier {
        guard let value = Identifier([UInt8](repeating: byte, count: 16)) else {
            preconditionFailure("16 bytes are an identifier")
        }
        return value
    }

    static func digest(_ byte: UInt8) -> Digest {
        let word = UInt64(byte) &* 0x0101_0101_0101_0101
        return Digest(word, word, word, word)
    }

    static let head = LogHead(
        incarnation: identifier(9), sequence: 2, digest: digest(10))

    static let configuration = Configuration(
        repository: identifier(1), chunkSize: 65536, rootKey: [UInt8](repeating: 2, count: 32),
        recoveryKey: [UInt8](repeating: 3, count: 1216), created: 1_767_225_600_000,
        domains: [
            .init(
                id: identifier(4), encapsulation: [UInt8](repeating: 5, count: 1120),
                sealedSecret: [UInt8](repeating: 6, count: 48))
        ], number: 2, previous: digest(7),
        earlierKeys: [
            .init(
                publicKey: [UInt8](repeating: 8, count: 1216),
                encapsulation: [UInt8](repeating: 9, count: 1120),
                sealedSeed: [UInt8](repeating: 10, count: 48))
        ], rosterNumber: 11, rosterDigest: digest(12), minimumAge: 13)

    static let roster = Roster(
        repository: identifier(1), number: 7, previous: digest(8),
        members: [
            .init(
                id: identifier(2), role: .writer, publicKey: [UInt8](repeating: 3, count: 32),
                domain: identifier(4), sealedLabel: [7, 8], joined: 9),
            .init(
                id: identifier(5), role: .keeper, publicKey: [UInt8](repeating: 6, count: 32),
                domain: identifier(4), revoked: [head], joined: 10, isSuspended: true),
            .init(
                id: identifier(6), role: .writer, publicKey: [UInt8](repeating: 7, count: 32),
                domain: identifier(4), revoked: []),
        ])

    static let passwordSlot = KeySlot(
        id: identifier(1), wrapping: .password(logCost: 16, blockSize: 8, parallelism: 1),
        salt: [UInt8](repeating: 2, count: 32), created: 3, sealedKeys: [4, 5],
        sealedLabel: [6])

    static let fileSlot = KeySlot(
        id: identifier(1), wrapping: .keyFile, salt: [UInt8](repeating: 2, count: 32), created: 3,
        sealedKeys: [4, 5], sealedLabel: [])

    /// All fields that a writer may set.
    static let logEntry: LogEntry = {
        var entry = LogEntry(
            repository: identifier(1), member: identifier(2), incarnation: identifier(3),
            sequence: 4, previous: digest(5), domain: identifier(6), time: 7)
        entry.heads = [head]
        entry.opened = [identifier(15)]
        entry.closed = [identifier(16), identifier(17)]
        entry.body = digest(8)
        entry.packs = [digest(11), digest(12)]
        entry.runs = [digest(13)]
        entry.replacedRuns = [digest(14)]
        entry.tagEdits = [.init(point: digest(18), sealed: [19, 20, 21])]
        return entry
    }()

    /// All fields that only a keeper may set.
    static let keeperEntry: LogEntry = {
        var entry = LogEntry(
            repository: identifier(1), member: identifier(2), incarnation: identifier(3),
            sequence: 4, previous: digest(5), domain: identifier(6), time: 7)
        entry.condemned = references(8)
        entry.released = references(11)
        entry.doomed = references(14)
        entry.forgotten = [digest(17)]
        entry.held = [digest(18)]
        entry.unheld = [digest(19), digest(20)]
        entry.fenced = [identifier(21)]
        entry.ends = [head]
        entry.proposal = .init(ordinal: 22, digest: digest(23))
        entry.checkpoint = .init(ordinal: 24, digest: digest(25))
        entry.sparse = [digest(26)]
        entry.emptied = [digest(27), digest(28)]
        return entry
    }()

    /// One of each kind.
    static func references(_ byte: UInt8) -> [ObjectReference] {
        ObjectReference.Kind.allCases.map {
            ObjectReference($0, digest(byte - 1 + $0.rawValue))
        }
    }

    static let checkpoint: Checkpoint = {
        var checkpoint = Checkpoint(
            repository: identifier(1), member: identifier(2), ordinal: 3, observed: 4)
        let mark = Checkpoint.Mark(identifier(5), 6)
        checkpoint.logs = [
            .init(
                member: identifier(7), head: head, time: 8, knows: [mark],
                sessions: [.init(id: identifier(9), sequence: 10, time: 11, knows: [mark])],
                fencedBy: [identifier(12)], isEnded: true),
            .init(
                member: identifier(13), head: head, time: 0, knows: [], sessions: [],
                fencedBy: [], isEnded: false),
        ]
        checkpoint.points = [
            .init(
                id: digest(14), incarnation: identifier(15), sequence: 16, member: identifier(17),
                domain: identifier(18), body: digest(19), time: 20, after: 21, seen: 22,
                forgotten: mark, isHeld: true, tags: [23, 24]),
            .init(
                id: digest(25), incarnation: identifier(15), sequence: 17, member: identifier(17),
                domain: identifier(18), body: digest(26), time: 27, after: 28, seen: 29,
                forgotten: nil, isHeld: false, tags: []),
        ]
        let group = Checkpoint.Group(
            member: identifier(30), domain: identifier(31), digests: [digest(32), digest(33)])
        checkpoint.packs = [group]
        checkpoint.runs = [group]
        checkpoint.condemnations = [.init(by: mark, references: references(34))]
        checkpoint.doomed = references(37)
        checkpoint.sparse = [.init(member: identifier(5), domain: identifier(5), digests: [])]
        checkpoint.emptied = [digest(40), digest(41)]
        return checkpoint
    }()

    static let checkRecord = CheckRecord(
        repository: identifier(1), signer: identifier(2), time: 3, depth: .sample, percent: 5,
        problems: 6, heads: [head, head])

    static let replicaView = ReplicaView(
        repository: identifier(1), number: 7, time: 8, heads: [head, head],
        absentPoints: [digest(9)], absentPacks: [digest(10), digest(11)])

    static let spoolRecord = SpoolRecord(
        repository: identifier(1), number: 7, member: identifier(2), domain: identifier(3),
        time: 8, body: digest(9), bases: [digest(10), digest(11)], packs: [digest(12)],
        earlierPacks: [digest(13), digest(14)], byteCount: 15)

    static let spoolNotes: SpoolNotes = {
        var notes = SpoolNotes(repository: identifier(1))
        notes.lastNumber = 7
        notes.attempted = [digest(2), digest(3)]
        notes.bodies = [.init(7, digest(4)), .init(7, digest(5))]
        notes.sent = [.init(6, .init(local: digest(6), point: digest(8)))]
        notes.blocked = [.init(7, "why")]
        return notes
    }()

    static let pointBody = PointBody(
        machine: "web1", host: "zoë", begun: 1, ended: 2, consistency: .crash, parent: digest(3),
        tags: ["env": "test", "a": ""],
        volumes: [
            .init(
                name: "root", size: 16387, root: digest(4), levels: 1, consistency: .filesystem,
                method: "full", bytesRead: 5, bytesNew: 6, bytesStored: 7, bytesZero: 8,
                bytesUnchanged: 9, warnings: ["one", "two"])
        ], program: "lifeboat")

    /// A point of two machines, one of them with all that can be told.
    static let machinesBody: PointBody = {
        var body = pointBody
        var definition = pointBody.volumes[0]
        definition.name = "web.definition.tar"
        definition.content = .definition
        body.volumes.append(definition)
        var web = PointMachine(
            name: "web", volumes: ["web.vda"], definition: "web.definition.tar",
            consistency: .application, policy: "require", platform: "libvirt 9.0.0, QEMU 7.2.22")
        web.freezeWindow = 412
        web.reasons = ["why"]
        web.notes = ["a bitmap was lost"]
        web.hadDeadMan = true
        web.snapshot = "0123456789abcdef"
        let idle = PointMachine(
            name: "idle", volumes: [], definition: nil, consistency: .crash, policy: "stateless",
            platform: "")
        body.machines = [web, idle]
        body.skew = 3
        return body
    }()

    /// Two frames, of two slots and of one.
    static let packDirectory = PackDirectory(
        frames: [
            .init(
                offset: 1240, sealedLength: 316, plainLength: 300, slotCount: 2, keyIndex: 0,
                encoding: 0, counter: 0),
            .init(
                offset: 1556, sealedLength: 50, plainLength: 4000, slotCount: 1, keyIndex: 0,
                encoding: 1, counter: 1),
        ],
        slots: [
            .init(id: digest(1), length: 100), .init(id: digest(2), length: 200),
            .init(id: digest(3), length: 4000),
        ])
    static let framesOffset = 1240
    static let framesEnd = 1606

    static let node: BlockMapNode = {
        var node = BlockMapNode.empty(level: 1)
        node.children[0] = digest(1)
        node.children[5] = digest(2)
        return node
    }()

    static let changedExtents = ChangedExtentsText(
        base: digest(1).hex, volume: "root", size: 1_000_000, granularity: 65536,
        extents: [
            Extent(offset: 0, length: 65536), Extent(offset: 131_072, length: 131_072),
            Extent(offset: 983_040, length: 16960),
        ])

    static let recoveryKey: [UInt8] = (0..<80).map { UInt8($0) }

    static let recoveryKeyPart = part(2)

    static func part(
        _ number: Int, set: UInt16 = 0x5f3a, needed: Int = 3, total: Int = 5, repository: UInt8 = 1
    ) -> RecoveryKeyPart {
        RecoveryKeyPart(
            set: set, number: number, needed: needed, total: total,
            repository: identifier(repository), bytes: recoveryKey.map { $0 ^ UInt8(number) })
    }

    /// An envelope with something in the place of a signature.
    static func signed(_ kind: ObjectKind, _ payload: CBOR) -> [UInt8] {
        Envelope.unsigned(kind, payload) + [UInt8](repeating: 0x5A, count: 64)
    }
}

/// Bytes of hexadecimal digits; blanks and line breaks are left out.
func hex(_ text: String) throws -> [UInt8] {
    try #require(Hex.decode(String(text.filter { !$0.isWhitespace })))
}

/// Expects that `body` throws an error with this code.
func expectFault(
    _ code: LifeboatError.Code, _ comment: Comment? = nil,
    sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void
) {
    do {
        try body()
        Issue.record(comment ?? "nothing was thrown", sourceLocation: sourceLocation)
    } catch {
        #expect(
            (error as? LifeboatError)?.code == code, comment, sourceLocation: sourceLocation)
    }
}
