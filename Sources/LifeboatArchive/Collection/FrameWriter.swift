import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatStore
import LifeboatSystem

/// Makes frames and packs of slots that come one by one.
///
/// Used by one thread.
final class FrameWriter {
    typealias Stored = (Digest, PackDirectory, UInt64) throws(LifeboatError) -> Void

    private let repository: Repository
    private let domain: DomainKeys
    private let content: PackLayout.Content
    private let hasher: KeyedHasher
    private let encoder = FrameEncoder(level: 3, frameByteCount: PackLayout.frameByteLimit)
    private let plain = Buffer(capacity: PackLayout.frameByteLimit)
    private let packBuffer = Buffer(capacity: PackBuilder.bufferByteCount)
    private var used = 0
    private var slots: [PackDirectory.Slot] = []
    private var builder: PackBuilder?

    /// Frames of nodes stay small, so that reading one node does not decode much.
    private var frameByteCount: Int { content == .data ? 2 << 20 : 128 << 10 }

    init(_ repository: Repository, domain: DomainKeys, content: PackLayout.Content) {
        self.repository = repository
        self.domain = domain
        self.content = content
        hasher = content == .data ? domain.chunkHasher() : domain.nodeHasher()
    }

    /// Whether `bytes` are what the id names.
    func isRight(_ bytes: UnsafeRawBufferPointer, _ id: Digest) -> Bool {
        hasher.digest(bytes) == id
    }

    func append(
        _ bytes: UnsafeRawBufferPointer, _ id: Digest, _ stored: Stored
    ) throws(LifeboatError) {
        if used + bytes.count > max(frameByteCount, bytes.count) { try closeFrame(stored) }
        UnsafeMutableRawBufferPointer(rebasing: plain.storage[used..<used + bytes.count])
            .copyMemory(from: bytes)
        used += bytes.count
        slots.append(.init(id: id, length: UInt32(bytes.count)))
    }

    private func closeFrame(_ stored: Stored) throws(LifeboatError) {
        guard !slots.isEmpty else { return }
        let packed = try encoder.compress(
            UnsafeRawBufferPointer(
                rebasing: UnsafeRawBufferPointer(plain.storage)[0..<used]))
        let sealedCount = packed.bytes.count + FrameCipher.tagByteCount
        if let open = builder,
            !open.hasRoom(sealedByteCount: sealedCount, slotCount: slots.count)
        {
            try closePack(stored)
        }
        if builder == nil { builder = try open() }
        guard let builder else { return }
        let place = builder.reserve(
            sealedByteCount: sealedCount, plainLength: used, encoding: packed.encoding,
            slots: slots)
        try encoder.seal(packed.bytes, into: place)
        used = 0
        slots.removeAll(keepingCapacity: true)
    }

    private func open() throws(LifeboatError) -> PackBuilder {
        try PackBuilder(
            content, domain: domain, recoveryKey: repository.configuration.recoveryKey,
            buffer: packBuffer)
    }

    private func closePack(_ stored: Stored) throws(LifeboatError) {
        guard let builder else { return }
        let (name, bytes) = builder.finish()
        try repository.store.put(ObjectNames.pack(name), [bytes], contentDigest: name)
        self.builder = nil
        try stored(name, builder.directory, UInt64(bytes.count))
    }

    /// Stores what is left.
    func finish(_ stored: Stored) throws(LifeboatError) {
        try closeFrame(stored)
        try closePack(stored)
    }
}
