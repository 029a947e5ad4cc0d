import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatSystem

/// A decoder under any input: it gives a value or throws, and a value encodes to what it was.
struct FuzzTarget: Sendable {
    let name: String
    /// Traps when the decoder breaks its promise; errors are fine.
    private let decode: @Sendable ([UInt8]) throws(LifeboatError) -> Void

    func run(_ bytes: [UInt8]) {
        do throws(LifeboatError) { try decode(bytes) } catch { return }
    }

    static func named(_ name: String) -> FuzzTarget? { all.first { $0.name == name } }

    static let all: [FuzzTarget] =
        [
            FuzzTarget(name: "cbor") { bytes throws(LifeboatError) in
                let value = try CBOR.decode(bytes)
                precondition(value.encoded() == bytes, "CBOR has one encoding")
            },
            object("configuration", .configuration) { payload throws(LifeboatError) in
                try Configuration(payload: payload).payload
            },
            object("roster", .roster) { payload throws(LifeboatError) in
                try Roster(payload: payload).payload
            },
            object("keyslot", .keySlot, isSigned: false) { payload throws(LifeboatError) in
                try KeySlot(payload: payload).payload
            },
            object("logentry", .logEntry) { payload throws(LifeboatError) in
                try LogEntry(payload: payload, subject: "fuzz").payload
            },
            object("checkpoint", .checkpoint) { payload throws(LifeboatError) in
                try Checkpoint(payload: payload, subject: "fuzz").payload
            },
            object("checkrecord", .checkRecord) { payload throws(LifeboatError) in
                try CheckRecord(payload: payload, subject: "fuzz").payload
            },
            checksummed("replicaview") { payload throws(LifeboatError) in
                try ReplicaView(payload: payload, subject: "fuzz").payload
            },
            checksummed("spoolrecord") { payload throws(LifeboatError) in
                try SpoolRecord(payload: payload, subject: "fuzz").payload
            },
            checksummed("spoolnotes") { payload throws(LifeboatError) in
                try SpoolNotes(payload: payload, subject: "fuzz").payload
            },
            FuzzTarget(name: "point") { bytes throws(LifeboatError) in
                let body = try PointBody(payload: try CBOR.decode(bytes), subject: "fuzz")
                let again = try PointBody(payload: body.payload, subject: "fuzz")
                precondition(again == body, "a point comes back as it was")
            },
            FuzzTarget(name: "packheader") { bytes throws(LifeboatError) in
                let header = try PackHeader(decoding: bytes, subject: "fuzz")
                precondition(header.keyCount >= 1, "a pack has a key")
            },
            FuzzTarget(name: "packdirectory", packDirectory),
            FuzzTarget(name: "indextable", indexTable),
            FuzzTarget(name: "node", node),
            FuzzTarget(name: "recoverykey") { bytes throws(LifeboatError) in
                let key = try RecoveryKeyText.parse(String(decoding: bytes, as: UTF8.self))
                let again = try RecoveryKeyText.parse(RecoveryKeyText.file(key))
                precondition(again == key, "a key comes back as it was")
            },
            FuzzTarget(name: "recoverypart") { bytes throws(LifeboatError) in
                let part = try RecoveryKeyPart(parsing: String(decoding: bytes, as: UTF8.self))
                let again = try RecoveryKeyPart(parsing: part.file)
                precondition(again == part, "a part comes back as it was")
            },
            FuzzTarget(name: "changedextents") { bytes throws(LifeboatError) in
                let text = String(decoding: bytes, as: UTF8.self)
                let extents = try ChangedExtentsText(parsing: text, subject: "fuzz")
                let again = try ChangedExtentsText(parsing: extents.text, subject: "fuzz")
                precondition(again == extents, "changed extents come back as they were")
            },
            FuzzTarget(name: "zstd", zstandard),
        ] + machines

    init(
        name: String, _ decode: @escaping @Sendable ([UInt8]) throws(LifeboatError) -> Void
    ) {
        self.name = name
        self.decode = decode
    }

    /// A small object: its envelope, then what is in it, which has to come back.
    private static func object(
        _ name: String, _ kind: ObjectKind, isSigned: Bool = true,
        _ open: @escaping @Sendable (CBOR) throws(LifeboatError) -> CBOR
    ) -> FuzzTarget {
        FuzzTarget(name: name) { bytes throws(LifeboatError) in
            let envelope = try Envelope(kind, decoding: bytes, isSigned: isSigned, subject: "fuzz")
            let payload = try open(envelope.payload)
            let again = try open(payload)
            precondition(again == payload, "an object comes back as it was")
        }
    }

    /// The content of an unsigned object, under a right checksum: hardly any change would leave one.
    private static func checksummed(
        _ name: String, _ open: @escaping @Sendable (CBOR) throws(LifeboatError) -> CBOR
    ) -> FuzzTarget {
        FuzzTarget(name: name) { bytes throws(LifeboatError) in
            let payload = try open(.checksummed(content: bytes))
            let again = try open(payload)
            precondition(again == payload, "an object comes back as it was")
        }
    }

    static let framesOffset = PackLayout.headerByteCount + PackLayout.dataKeyByteCount

    @Sendable private static func packDirectory(_ bytes: [UInt8]) throws(LifeboatError) {
        let directory = try PackDirectory(
            decoding: bytes, framesOffset: framesOffset, framesEnd: PackLayout.targetByteCount,
            keyCount: 1, subject: "fuzz")
        precondition(
            directory.encoded(paddedTo: bytes.count) == bytes, "a directory has one encoding")
    }

    @Sendable private static func indexTable(_ bytes: [UInt8]) throws(LifeboatError) {
        let shape = try IndexTableShape(
            decoding: bytes, available: UInt64(bytes.count), subject: "fuzz")
        precondition(shape.byteCount <= bytes.count, "a table fits into its bytes")
        for word in [0, shape.base, shape.base &+ 1, shape.base &- 1, .max] {
            guard let bucket = shape.bucket(of: Digest(word, 0, 0, 0)) else { continue }
            precondition((0..<shape.fanOutCount).contains(bucket), "a bucket is in the fan-out")
        }
    }

    @Sendable private static func node(_ bytes: [UInt8]) throws(LifeboatError) {
        let level = Int(bytes.first ?? 0) % BlockMapShape.levelLimit
        try bytes.withBytes { raw throws(LifeboatError) in
            let node = try BlockMapNode(decoding: raw, level: level, subject: "fuzz")
            precondition(node.encoded() == bytes, "a node has one encoding")
        }
    }

    /// The first three bytes are the size that the caller expects, little-endian.
    @Sendable private static func zstandard(_ bytes: [UInt8]) throws(LifeboatError) {
        guard bytes.count >= 3 else { return }
        let size = Int(bytes[0]) | Int(bytes[1]) << 8 | Int(bytes[2] & 31) << 16
        let decompressor = Decompressor()
        let room = Buffer(capacity: size)
        let target = UnsafeMutableRawBufferPointer(rebasing: room.storage[0..<size])
        try bytes.withBytes { raw throws(LifeboatError) in
            let frame = UnsafeRawBufferPointer(rebasing: raw[3...])
            do throws(LifeboatError) {
                try decompressor.decompress(frame, into: target)
            } catch {
                // A frame that is not whole may still have a beginning.
                try decompressor.decompressPrefix(frame, into: target)
            }
        }
    }
}
