import LifeboatCore
import Testing

@testable import LifeboatFormat

@Suite struct ObjectTests {
    @Test func `payloads survive`() throws {
        let configuration = Samples.configuration
        #expect(try Configuration(payload: configuration.payload) == configuration)
        var locked = configuration
        locked.lockDuration = 14
        #expect(try Configuration(payload: locked.payload) == locked)
        #expect(try Roster(payload: Samples.roster.payload) == Samples.roster)
        #expect(try KeySlot(payload: Samples.passwordSlot.payload) == Samples.passwordSlot)
        #expect(try KeySlot(payload: Samples.fileSlot.payload) == Samples.fileSlot)
        for entry in [Samples.logEntry, Samples.keeperEntry] {
            #expect(try LogEntry(payload: entry.payload, subject: "log") == entry)
        }
        let checkpoint = Samples.checkpoint
        #expect(try Checkpoint(payload: checkpoint.payload, subject: "x") == checkpoint)
        let record = Samples.checkRecord
        #expect(try CheckRecord(payload: record.payload, subject: "check") == record)
        let view = Samples.replicaView
        #expect(try ReplicaView(payload: view.payload, subject: "view") == view)
        let waiting = Samples.spoolRecord
        #expect(try SpoolRecord(payload: waiting.payload, subject: "record") == waiting)
        let notes = Samples.spoolNotes
        #expect(try SpoolNotes(payload: notes.payload, subject: "notes") == notes)
        for body in [Samples.pointBody, Samples.machinesBody] {
            #expect(try PointBody(payload: body.payload, subject: "point") == body)
        }
    }

    @Test func `content that a newer version calls otherwise is bytes all the same`() throws {
        var body = Samples.pointBody
        body.volumes[0].content = .definition
        guard case .map(var fields) = body.payload, case .array(let volumes)? = fields[8],
            case .map(var volume) = volumes[0]
        else { throw LifeboatError(.internalFault, "no map") }
        volume[13] = .text("hologram")
        fields[8] = .array([.map(volume)])
        let read = try PointBody(payload: .map(fields), subject: "point")
        #expect(read.volumes[0].content == .disk)
    }

    @Test func `an envelope gives back what went in`() throws {
        let bytes = Samples.signed(.roster, Samples.roster.payload)
        let envelope = try Envelope(.roster, decoding: bytes, isSigned: true, subject: "roster")
        #expect(envelope.payload == Samples.roster.payload)
        #expect(envelope.signedBytes == Array(bytes.dropLast(64)))
        #expect(envelope.signature == Array(bytes.suffix(64)))
        let slot = Envelope.unsigned(.keySlot, Samples.fileSlot.payload)
        let unsigned = try Envelope(.keySlot, decoding: slot, isSigned: false, subject: "slot")
        #expect(unsigned.signature.isEmpty)
    }

    @Test func `an envelope of another length is damaged`() {
        let bytes = Samples.signed(.roster, Samples.roster.payload)
        for count in [0, 7, 8, 11, 12, 75, 76, bytes.count - 1] {
            expectFault(.damaged, "\(count) bytes") {
                _ = try Envelope(
                    .roster, decoding: Array(bytes.prefix(count)), isSigned: true, subject: "x")
            }
        }
        for wrong in [bytes + [0], [0] + bytes] {
            expectFault(.damaged) {
                _ = try Envelope(.roster, decoding: wrong, isSigned: true, subject: "x")
            }
        }
        expectFault(.damaged, "another kind") {
            _ = try Envelope(.logEntry, decoding: bytes, isSigned: true, subject: "x")
        }
    }

    @Test(arguments: ObjectKind.allCases)
    func `a newer version is unsupported, not damaged`(kind: ObjectKind) {
        var bytes = kind.prefix() + [UInt8](repeating: 0, count: 100)
        bytes[4] = 2
        let newer = bytes
        expectFault(.unsupported) { try kind.check(newer, subject: "x") }
        bytes[4...5] = [0, 1]
        let muchNewer = bytes
        expectFault(.unsupported) { try kind.check(muchNewer, subject: "x") }
        expectFault(.unsupported) {
            _ = try Envelope(kind, decoding: newer, isSigned: true, subject: "x")
        }
    }

    @Test(arguments: ObjectKind.allCases)
    func `version 0 is unsupported, for it was never released`(kind: ObjectKind) {
        var bytes = kind.prefix() + [UInt8](repeating: 0, count: 100)
        bytes[4] = 0
        let older = bytes
        expectFault(.unsupported) { try kind.check(older, subject: "x") }
    }

    @Test func `what only keepers may say needs a keeper`() {
        #expect(!Samples.logEntry.needsKeeper)
        guard case .map(let all) = Samples.keeperEntry.payload else { return }
        let common = all.filter { $0.key <= 7 }
        for (key, value) in all where key > 7 {
            var fields = common
            fields[key] = value
            let entry = try? LogEntry(payload: .map(fields), subject: "x")
            #expect(entry?.needsKeeper == true, "field \(key)")
        }
        #expect(all.count == 19)
    }

    @Test func `lists that are empty are left out`() throws {
        let plain = LogEntry(
            repository: Samples.identifier(1), member: Samples.identifier(2),
            incarnation: Samples.identifier(3), sequence: 1, previous: .zero,
            domain: Samples.identifier(4), time: 5)
        guard case .map(let fields) = plain.payload else { return }
        #expect(fields.keys.sorted() == [1, 2, 3, 4, 5, 6, 7])
        // An empty list of sparse packs replaces the one before; none leaves it as it was.
        var keeper = plain
        keeper.sparse = []
        #expect(try LogEntry(payload: keeper.payload, subject: "x").sparse == [])
        #expect(try LogEntry(payload: plain.payload, subject: "x").sparse == nil)
    }

    @Test(arguments: [
        (16, CBOR.bytes([UInt8](repeating: 4, count: 33)), LifeboatError.Code.unsupported),
        (16, .bytes([UInt8](repeating: 0, count: 33)), .unsupported),
        (16, .bytes([UInt8](repeating: 1, count: 34)), .damaged),
        (16, .array([]), .damaged), (12, .bytes([UInt8](repeating: 1, count: 31)), .damaged),
        (8, .array([.array([.unsigned(1)])]), .damaged), (9, .bytes([1]), .damaged),
        (15, .array([.array([.bytes([1]), .bytes([2])])]), .damaged),
        (24, .array([.unsigned(1)]), .damaged), (25, .unsigned(1), .damaged),
    ])
    func `a malformed field of a log entry is named`(
        key: Int, value: CBOR, code: LifeboatError.Code
    ) {
        guard case .map(var fields) = Samples.keeperEntry.payload else { return }
        fields[UInt64(key)] = value
        let payload = CBOR.map(fields)
        expectFault(code, "field \(key)") { _ = try LogEntry(payload: payload, subject: "x") }
    }

    @Test(arguments: [
        (5, CBOR.array([.unsigned(1)])), (6, .array([.map([:])])),
        (7, .array([.array([.bytes([1]), .bytes([2]), .bytes([])])])),
        (9, .array([.array([.bytes([1])])])), (10, .bytes([1])), (11, .unsigned(2)),
    ])
    func `a malformed field of a checkpoint is damage`(key: Int, value: CBOR) {
        guard case .map(var fields) = Samples.checkpoint.payload else { return }
        fields[UInt64(key)] = value
        let payload = CBOR.map(fields)
        expectFault(.damaged, "field \(key)") { _ = try Checkpoint(payload: payload, subject: "x") }
    }

    @Test func `what only a newer version has is unsupported`() {
        func changed(_ payload: CBOR, _ key: UInt64, _ value: CBOR) -> CBOR {
            guard case .map(var fields) = payload else { return payload }
            fields[key] = value
            return .map(fields)
        }
        func changedSlot(_ slot: KeySlot, _ key: UInt64, _ value: CBOR) -> CBOR {
            guard case .map(var fields) = changed(slot.payload, key, value) else {
                return .map([:])
            }
            fields[8] = nil
            fields[8] = .unsigned(KeySlot.checksum(fields))
            return .map(fields)
        }
        expectFault(.unsupported, "a kind of key slot") {
            _ = try KeySlot(payload: changedSlot(Samples.fileSlot, 2, .unsigned(3)))
        }
        expectFault(.unsupported, "a depth") {
            let payload = changed(Samples.checkRecord.payload, 4, .unsigned(9))
            _ = try CheckRecord(payload: payload, subject: "x")
        }
        expectFault(.unsupported, "a consistency level") {
            let payload = changed(Samples.pointBody.payload, 5, .text("perfect"))
            _ = try PointBody(payload: payload, subject: "x")
        }
        expectFault(.unsupported, "a role") {
            let member: CBOR = .map([
                1: .bytes(Samples.identifier(1).bytes), 2: .unsigned(3),
                3: .bytes([UInt8](repeating: 0, count: 32)),
                4: .bytes(Samples.identifier(1).bytes),
            ])
            _ = try Roster(payload: changed(Samples.roster.payload, 4, .array([member])))
        }
        for (key, value) in [(2, CBOR.unsigned(65537)), (2, .unsigned(8192)), (3, .bytes([1]))] {
            expectFault(.damaged, "configuration field \(key)") {
                let payload = changed(Samples.configuration.payload, UInt64(key), value)
                _ = try Configuration(payload: payload)
            }
        }
        expectFault(.damaged, "a key slot with another salt") {
            let salt = CBOR.bytes([UInt8](repeating: 3, count: 32))
            _ = try KeySlot(payload: changed(Samples.fileSlot.payload, 4, salt))
        }
        for numbers: [UInt64] in [[25, 8, 1], [16, 0, 1], [16, 33, 1], [16, 8, 17], [16, 8]] {
            expectFault(.damaged, "scrypt \(numbers)") {
                let value = CBOR.array(numbers.map { .unsigned($0) })
                _ = try KeySlot(payload: changedSlot(Samples.passwordSlot, 3, value))
            }
        }
        expectFault(.damaged, "a size above 2^63") {
            guard case .map(var volume) = CBOR.map([:]) else { return }
            volume[1] = .text("v")
            volume[2] = .unsigned(1 << 63)
            let payload = changed(Samples.pointBody.payload, 8, .array([.map(volume)]))
            _ = try PointBody(payload: payload, subject: "x")
        }
    }
}
