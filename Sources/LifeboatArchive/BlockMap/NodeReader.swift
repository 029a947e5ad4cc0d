import LifeboatCodec
public import LifeboatCore
public import LifeboatFormat
import LifeboatSystem
import LifeboatStore

/// Reads block map nodes by their ids, through a bounded cache of metadata frames.
///
/// Safe from many threads.
public final class NodeReader: @unchecked Sendable {
    private struct FrameName: Hashable {
        let pack: Digest
        let frame: Int
    }

    private let index: Index
    private let packs: PackCache
    private let guardian = Condition()
    private let decoder: FrameDecoder
    private let hashers: [Identifier: KeyedHasher]
    private var frames: [FrameName: (bytes: [UInt8], used: UInt64)] = [:]
    private var byteCount = 0
    private var clock: UInt64 = 0
    private let limit: Int

    /// `limit`: bytes of memory for decoded frames.
    public init(
        _ repository: Repository, index: Index, packs: PackCache, limit: Int = 16 << 20
    ) throws(LifeboatError) {
        self.index = index
        self.packs = packs
        self.limit = limit
        decoder = FrameDecoder(store: repository.store, repository: repository.id)
        _ = try repository.requireDomain()
        hashers = repository.domains.mapValues { $0.nodeHasher() }
    }

    /// The node with this id, which stands at `level`.
    ///
    /// - Throws: `.damaged` naming the pack or the node that cannot be read.
    public func node(_ id: Digest, level: Int) throws(LifeboatError) -> BlockMapNode {
        guardian.lock()
        defer { guardian.unlock() }
        var avoided: Set<Digest> = []
        var fault: LifeboatError?
        while let location = try index.findAnywhere(id, except: avoided) {
            do throws(LifeboatError) {
                return try read(id, level: level, at: location)
            } catch {
                guard error.code == .damaged else { throw error }
                fault = fault ?? error
                avoided.insert(location.pack)
            }
        }
        throw fault
            ?? LifeboatError(
                .damaged, "a block map node is in no index", subject: "node \(id.short)",
                advice: "run: lifeboat cache clean, then index rebuild")
    }

    private func read(
        _ id: Digest, level: Int, at location: Location
    ) throws(LifeboatError) -> BlockMapNode {
        let pack = try packs.pack(location.pack)
        do throws(LifeboatError) {
            return try read(id, level: level, at: location, in: pack)
        } catch {
            // Of a pack's key table nothing but its frames tells whether it came right.
            guard error.code == .damaged, packs.isRemote else { throw error }
            packs.forget(pack)
            return try read(id, level: level, at: location, in: try packs.pack(location.pack))
        }
    }

    private func read(
        _ id: Digest, level: Int, at location: Location, in pack: OpenPack
    ) throws(LifeboatError) -> BlockMapNode {
        let subject = ObjectNames.pack(pack.name).path
        guard location.frame < pack.directory.frames.count,
            location.slot < Int(pack.directory.frames[location.frame].slotCount)
        else {
            throw LifeboatError(
                .damaged, "the index names a frame that the pack does not have", subject: subject,
                advice: "run: lifeboat index rebuild")
        }
        let bytes = try frame(location.frame, of: pack)
        let first = pack.directory.firstSlots[location.frame]
        var offset = 0
        for slot in pack.directory.slots[first..<first + location.slot] {
            offset += Int(slot.length)
        }
        let length = Int(pack.directory.slots[first + location.slot].length)
        return try bytes.withBytes { raw throws(LifeboatError) -> BlockMapNode in
            let slice = UnsafeRawBufferPointer(rebasing: raw[offset..<offset + length])
            guard hashers[pack.header.domain]?.digest(slice) == id else {
                throw LifeboatError(
                    .damaged, "a block map node is not what its id says", subject: subject)
            }
            return try BlockMapNode(decoding: slice, level: level, subject: subject)
        }
    }

    private func frame(_ number: Int, of pack: OpenPack) throws(LifeboatError) -> [UInt8] {
        let name = FrameName(pack: pack.name, frame: number)
        clock += 1
        if let entry = frames[name] {
            frames[name] = (entry.bytes, clock)
            return entry.bytes
        }
        let count = Int(pack.directory.frames[number].plainLength)
        var bytes = [UInt8](repeating: 0, count: count)
        try bytes.withMutableBytes { raw throws(LifeboatError) in
            try decoder.decode(number, of: pack, plainCount: count, into: raw)
        }
        frames[name] = (bytes, clock)
        byteCount += count
        while byteCount > limit, frames.count > 1,
            let oldest = frames.min(by: { $0.value.used < $1.value.used })
        {
            byteCount -= oldest.value.bytes.count
            frames[oldest.key] = nil
        }
        return bytes
    }
}
