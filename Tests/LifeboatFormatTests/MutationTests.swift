import Foundation
import LifeboatCore
import LifeboatFormat
import LifeboatTesting
import Testing

/// A decoded value that does not go with what was decoded.
private struct Mismatch: Error {}

private func check(_ isRight: Bool) throws {
    if !isRight { throw Mismatch() }
}

/// Every decoder against damaged valid encodings: it gives a value or an error, never a crash.
///
/// 1,000 mutations a decoder for each of LIFEBOAT_TEST_SEEDS in the environment, which is 8 where
/// it is not set; LIFEBOAT_TEST_SEED repeats one mutation. What is decoded is encoded again where it can be: strict
/// formats have to come out as they went in. A crash leaves the last seed in a file of the
/// temporary directory, `lifeboat-mutation-NAME.seed`.
@Suite struct MutationTests {
    private struct Target: CustomStringConvertible, Sendable {
        let name: String
        let seeds: [[UInt8]]
        let decode: @Sendable ([UInt8]) throws -> Void
        var description: String { name }
    }

    private static func envelope(
        _ kind: ObjectKind, _ payloads: CBOR..., isSigned: Bool = true,
        _ open: @escaping @Sendable (CBOR) throws -> CBOR
    ) -> Target {
        let seeds = payloads.map {
            isSigned ? Samples.signed(kind, $0) : Envelope.unsigned(kind, $0)
        }
        return Target(name: kind.rawValue, seeds: seeds) { bytes in
            let envelope = try Envelope(
                kind, decoding: bytes, isSigned: isSigned, subject: "object")
            try check(Envelope.unsigned(kind, envelope.payload)[8...] == envelope.signedBytes[8...])
            let payload = try open(envelope.payload)
            let again = try open(payload)
            try check(again == payload)
        }
    }

    private static let targets: [Target] = [
        Target(name: "CBOR", seeds: [Samples.pointBody.payload.encoded()]) { bytes in
            let value = try CBOR.decode(bytes)
            try check(value.encoded() == bytes)
        },
        envelope(.configuration, Samples.configuration.payload) {
            try Configuration(payload: $0).payload
        },
        envelope(.roster, Samples.roster.payload) { try Roster(payload: $0).payload },
        envelope(.keySlot, Samples.passwordSlot.payload, isSigned: false) {
            try KeySlot(payload: $0).payload
        },
        envelope(.logEntry, Samples.logEntry.payload, Samples.keeperEntry.payload) {
            try LogEntry(payload: $0, subject: "log").payload
        },
        envelope(.checkpoint, Samples.checkpoint.payload) {
            try Checkpoint(payload: $0, subject: "checkpoint").payload
        },
        envelope(.checkRecord, Samples.checkRecord.payload) {
            try CheckRecord(payload: $0, subject: "check").payload
        },
        envelope(.replicaView, Samples.replicaView.payload) {
            try ReplicaView(payload: $0, subject: "view").payload
        },
        envelope(.spoolRecord, Samples.spoolRecord.payload) {
            try SpoolRecord(payload: $0, subject: "record").payload
        },
        envelope(.spoolNotes, Samples.spoolNotes.payload) {
            try SpoolNotes(payload: $0, subject: "notes").payload
        },
        Target(name: "LBPT", seeds: [Samples.pointBody.payload.encoded()]) { bytes in
            let body = try PointBody(payload: try CBOR.decode(bytes), subject: "point")
            let again = try PointBody(payload: body.payload, subject: "point")
            try check(again == body)
        },
        Target(
            name: "pack header",
            seeds: [
                PackLayout.header(
                    .data, keyCount: 1, repository: Samples.identifier(1),
                    domain: Samples.identifier(2), salt: [UInt8](repeating: 3, count: 32))
            ]
        ) { bytes in
            let header = try PackHeader(decoding: bytes, subject: "pack")
            try check(header.framesOffset <= 72 + 255 * 1168)
        },
        Target(
            name: "pack directory",
            seeds: [
                Samples.packDirectory.encoded(paddedTo: 0),
                Samples.packDirectory.encoded(paddedTo: 300),
            ]
        ) { bytes in
            let directory = try PackDirectory(
                decoding: bytes, framesOffset: Samples.framesOffset,
                framesEnd: Samples.framesEnd, keyCount: 1, subject: "pack")
            try check(directory.encoded(paddedTo: bytes.count) == bytes)
            try check(directory.firstSlots.last == directory.slots.count)
        },
        Target(name: "node", seeds: [Samples.node.encoded() ?? []]) { bytes in
            let node = try BlockMapTests.decode(bytes, level: 1)
            try check(node.encoded() == bytes)
        },
        Target(
            name: "index table",
            seeds: [
                IndexTableShape(
                    entryCount: 1000, packCount: 7, level: 1, first: 3, last: 1 << 60
                ).encoded
            ]
        ) { bytes in
            let shape = try IndexTableShape(decoding: bytes, available: 50_000, subject: "run")
            try check(shape.byteCount <= 50_000)
            _ = shape.bucket(of: Samples.digest(0x77))
            try check(shape.encoded == Array(bytes.prefix(32)))
        },
        Target(
            name: "recovery key",
            seeds: [
                Array(RecoveryKeyText.file(Samples.recoveryKey).utf8),
                Array(RecoveryKeyText.code(Samples.recoveryKey).utf8),
            ]
        ) { bytes in
            let key = try RecoveryKeyText.parse(String(decoding: bytes, as: UTF8.self))
            try check(key.count == RecoveryKeyText.byteCount)
        },
        Target(
            name: "recovery key part",
            seeds: [
                Array(Samples.recoveryKeyPart.file.utf8), Array(Samples.recoveryKeyPart.code.utf8),
            ]
        ) { bytes in
            let part = try RecoveryKeyPart(parsing: String(decoding: bytes, as: UTF8.self))
            try check(try RecoveryKeyPart(parsing: part.file) == part)
        },
        Target(name: "changed extents", seeds: [Array(Samples.changedExtents.text.utf8)]) { bytes in
            let extents = try ChangedExtentsText(
                parsing: String(decoding: bytes, as: UTF8.self), subject: "hint")
            let again = try ChangedExtentsText(parsing: extents.text, subject: "x")
            try check(again == extents)
        },
    ]

    @Test(arguments: targets.map(\.name))
    func `a damaged encoding gives a value or an error`(name: String) throws {
        let target = try #require(Self.targets.first { $0.name == name })
        for bytes in target.seeds { try target.decode(bytes) }
        let environment = ProcessInfo.processInfo.environment
        let scale = environment["LIFEBOAT_TEST_SEEDS"].flatMap { UInt64($0) } ?? 8
        let single = environment["LIFEBOAT_TEST_SEED"].flatMap { UInt64($0) }
        let seeds = single.map { $0...$0 } ?? 1...max(1, scale) * 1000
        let before = Self.residentBytes()
        let path = NSTemporaryDirectory() + "lifeboat-mutation-\(name).seed"
        try Data().write(to: URL(fileURLWithPath: path))
        let journal = try #require(FileHandle(forWritingAtPath: path))
        for seed in seeds {
            var generator = SeededGenerator(seed: seed)
            let bytes = Self.mutate(target.seeds[generator.count(target.seeds.count)], &generator)
            try journal.seek(toOffset: 0)
            try journal.write(contentsOf: Data("\(seed)\n".utf8))
            if single != nil { print("\(name), seed \(seed): \(Hex.encode(bytes))") }
            do {
                try target.decode(bytes)
            } catch is LifeboatError {
            } catch {
                Issue.record("\(name), seed \(seed): threw \(error)")
            }
        }
        try FileManager.default.removeItem(atPath: path)
        let growth = Self.residentBytes() - before
        // The address sanitizer keeps what was freed for a while.
        #expect(growth < 640 << 20, "\(name): memory grew by \(growth) bytes")
    }

    /// One to four changes: flipped bits, set bytes, cuts, copies, and lengths that lie.
    private static func mutate(
        _ source: [UInt8], _ generator: inout SeededGenerator
    ) -> [UInt8] {
        var bytes = source
        for _ in 0...generator.count(4) {
            guard !bytes.isEmpty else { return [UInt8(truncatingIfNeeded: generator.next())] }
            let start = generator.count(bytes.count)
            let end = start + generator.count(min(64, bytes.count - start) + 1)
            switch generator.count(8) {
            case 0: bytes[start] ^= 1 << UInt8(generator.count(8))
            case 1: bytes[start] = [0, 1, 0x7F, 0x80, 0xFF, 0x9B, 0xBB, 0x20][generator.count(8)]
            case 2: bytes.removeSubrange(start...)
            case 3: bytes.removeSubrange(start..<end)
            case 4: bytes.insert(contentsOf: Array(bytes[start..<end]), at: start)
            case 5:
                let target = generator.count(bytes.count)
                bytes.insert(contentsOf: Array(bytes[start..<end]), at: target)
            case 6:
                let extremes: [UInt64] = [
                    0, 1, 0xFFFF, 0x7FFF_FFFF, 0xFFFF_FFFF, .max, .max - 7, UInt64(bytes.count),
                ]
                let value = extremes[generator.count(extremes.count)]
                let isLittle = generator.next() & 1 == 0
                let width = [1, 2, 4, 8][generator.count(4)]
                for index in 0..<min(width, bytes.count - start) {
                    let shift = UInt64(8 * (isLittle ? index : 7 - index))
                    bytes[start + index] = UInt8(truncatingIfNeeded: value >> shift)
                }
            default: bytes[start] = UInt8(truncatingIfNeeded: generator.next())
            }
        }
        return bytes
    }

    private static func residentBytes() -> Int {
        guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8),
            let pages = text.split(separator: " ").dropFirst().first.flatMap({ Int($0) })
        else { return 0 }
        return pages * 4096
    }
}
