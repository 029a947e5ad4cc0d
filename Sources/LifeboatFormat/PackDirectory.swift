public import LifeboatCore

/// What a pack's frames hold, and where.
///
/// Source: formats/pack.md, "Directory".
///
/// Encoding: frame count (4), slot count (4), a record of 24 bytes a frame, a record of 36 bytes
/// a slot in frame order, then zeros up to the size class.
public struct PackDirectory: Sendable {
    /// A compressed and sealed run of slots.
    @frozen
    public struct Frame: Sendable, Hashable {
        /// Bytes from the start of the pack.
        public var offset: UInt32
        /// Bytes of the sealed frame, tag included.
        public var sealedLength: UInt32
        /// Bytes of all its slots.
        public var plainLength: UInt32
        public var slotCount: UInt16
        /// Which entry of the pack's key table opens it.
        public var keyIndex: UInt8
        /// 0: as it is; 1: one zstd frame.
        public var encoding: UInt8
        /// The nonce's counter under that key.
        public var counter: UInt64

        public init(
            offset: UInt32, sealedLength: UInt32, plainLength: UInt32, slotCount: UInt16,
            keyIndex: UInt8, encoding: UInt8, counter: UInt64
        ) {
            self.offset = offset
            self.sealedLength = sealedLength
            self.plainLength = plainLength
            self.slotCount = slotCount
            self.keyIndex = keyIndex
            self.encoding = encoding
            self.counter = counter
        }
    }

    /// A chunk or node inside a frame.
    @frozen
    public struct Slot: Sendable, Hashable {
        public var id: Digest
        /// Bytes; slots follow each other without gaps.
        public var length: UInt32

        @inlinable
        public init(id: Digest, length: UInt32) {
            self.id = id
            self.length = length
        }
    }

    public static let frameByteCount = 24
    public static let slotByteCount = 36

    public var frames: [Frame]
    /// All slots, those of the first frame first.
    public var slots: [Slot]
    /// For each frame the index of its first slot, and at the end the number of slots.
    public private(set) var firstSlots: [Int]

    public init(frames: [Frame] = [], slots: [Slot] = []) {
        self.frames = frames
        self.slots = slots
        firstSlots = [0]
        for frame in frames {
            firstSlots.append(firstSlots[firstSlots.count - 1] + Int(frame.slotCount))
        }
    }

    /// Adds a frame behind the others.
    public mutating func append(_ frame: Frame, _ newSlots: some Sequence<Slot>) {
        frames.append(frame)
        slots.append(contentsOf: newSlots)
        firstSlots.append(slots.count)
    }

    /// Bytes without padding.
    public var byteCount: Int {
        8 + frames.count * Self.frameByteCount + slots.count * Self.slotByteCount
    }

    /// The encoding, padded with zeros to `paddedTo` bytes.
    public func encoded(paddedTo: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(max(paddedTo, byteCount))
        LittleEndian.append(UInt32(frames.count), to: &bytes)
        LittleEndian.append(UInt32(slots.count), to: &bytes)
        for frame in frames {
            LittleEndian.append(frame.offset, to: &bytes)
            LittleEndian.append(frame.sealedLength, to: &bytes)
            LittleEndian.append(frame.plainLength, to: &bytes)
            LittleEndian.append(frame.slotCount, to: &bytes)
            bytes.append(frame.keyIndex)
            bytes.append(frame.encoding)
            LittleEndian.append(frame.counter, to: &bytes)
        }
        for slot in slots {
            bytes.append(contentsOf: slot.id.bytes)
            LittleEndian.append(slot.length, to: &bytes)
        }
        if bytes.count < paddedTo {
            bytes.append(contentsOf: repeatElement(0, count: paddedTo - bytes.count))
        }
        return bytes
    }

    /// Decodes a directory of a pack whose frames lie between `framesOffset` and `framesEnd`.
    ///
    /// - Throws: `.damaged` for frames that overlap, leave the pack or do not add up.
    public init(
        decoding bytes: [UInt8], framesOffset: Int, framesEnd: Int, keyCount: Int, subject: String
    ) throws(LifeboatError) {
        func fault(_ what: String) -> LifeboatError {
            LifeboatError(.damaged, "the directory of \(subject) \(what)", subject: subject)
        }
        guard bytes.count >= 8 else { throw fault("is too short") }
        let frameCount = Int(LittleEndian.load(UInt32.self, from: bytes, at: 0))
        let slotCount = Int(LittleEndian.load(UInt32.self, from: bytes, at: 4))
        guard frameCount <= PackLayout.frameLimit,
            bytes.count >= 8 + frameCount * Self.frameByteCount + slotCount * Self.slotByteCount
        else { throw fault("claims \(frameCount) frames and \(slotCount) slots") }
        frames = []
        frames.reserveCapacity(frameCount)
        firstSlots = [0]
        var position = 8
        var end = framesOffset
        for index in 0..<frameCount {
            let frame = bytes.withUnsafeBytes { Self.frame($0, position) }
            guard Int(frame.offset) >= end, Int(frame.sealedLength) >= PackLayout.tagByteCount,
                Int(frame.offset) + Int(frame.sealedLength) <= framesEnd,
                Int(frame.plainLength) <= PackLayout.frameByteLimit,
                Int(frame.keyIndex) < keyCount, frame.encoding <= 1
            else { throw fault("has an impossible frame \(index)") }
            end = Int(frame.offset) + Int(frame.sealedLength)
            frames.append(frame)
            firstSlots.append(firstSlots[index] + Int(frame.slotCount))
            position += Self.frameByteCount
        }
        guard firstSlots[frameCount] == slotCount else { throw fault("counts its slots wrongly") }
        slots = []
        slots.reserveCapacity(slotCount)
        for frame in frames {
            var length: UInt64 = 0
            for _ in 0..<frame.slotCount {
                let slot = bytes.withUnsafeBytes { raw in
                    Slot(
                        id: Digest(loading: raw, at: position),
                        length: LittleEndian.load(UInt32.self, from: raw, at: position + 32))
                }
                length += UInt64(slot.length)
                slots.append(slot)
                position += Self.slotByteCount
            }
            guard length == UInt64(frame.plainLength) else {
                throw fault("has a frame whose slots do not fill it")
            }
        }
        guard bytes[position...].allSatisfy({ $0 == 0 }) else {
            throw fault("is padded with something else than zeros")
        }
    }

    private static func frame(_ bytes: UnsafeRawBufferPointer, _ position: Int) -> Frame {
        Frame(
            offset: LittleEndian.load(UInt32.self, from: bytes, at: position),
            sealedLength: LittleEndian.load(UInt32.self, from: bytes, at: position + 4),
            plainLength: LittleEndian.load(UInt32.self, from: bytes, at: position + 8),
            slotCount: LittleEndian.load(UInt16.self, from: bytes, at: position + 12),
            keyIndex: bytes[position + 14], encoding: bytes[position + 15],
            counter: LittleEndian.load(UInt64.self, from: bytes, at: position + 16))
    }
}
