import LifeboatCodec
public import LifeboatCore
import LifeboatFormat
import LifeboatStore
import LifeboatSystem

/// Looks into packs for damage; one a worker thread.
public final class PackScrub {
    private let repository: Repository
    private let hash = SHA256Stream()
    private let piece = Buffer(capacity: 1 << 20)
    private let plain = Buffer(capacity: PackLayout.frameByteLimit)
    private let decoder: FrameDecoder
    private let chunkHashers: [Identifier: KeyedHasher]
    private let nodeHashers: [Identifier: KeyedHasher]

    public init(_ repository: Repository) {
        self.repository = repository
        decoder = FrameDecoder(store: repository.store, repository: repository.id)
        chunkHashers = repository.domains.mapValues { $0.chunkHasher() }
        nodeHashers = repository.domains.mapValues { $0.nodeHasher() }
    }

    private func fault(_ name: Digest, _ what: String) -> LifeboatError {
        LifeboatError(
            .damaged, what, subject: ObjectNames.pack(name).path,
            advice: "the next backup stores again what it still has; use another copy for the rest")
    }

    /// Checks that the bytes under a pack's name are those that the name is the hash of.
    ///
    /// Needs no secret. Returns how many bytes were read.
    public func checkBytes(_ name: Digest) throws(LifeboatError) -> UInt64 {
        var offset: UInt64 = 0
        while true {
            let got: Int
            do throws(LifeboatError) {
                got = try repository.store.read(
                    ObjectNames.pack(name), at: offset, into: piece.storage)
            } catch {
                _ = hash.finish()
                throw error.code == .missing ? fault(name, "the pack is missing") : error
            }
            hash.update(
                UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(piece.storage)[0..<got]))
            offset += UInt64(got)
            if got < piece.capacity { break }
        }
        guard hash.finish() == name else {
            throw fault(name, "the pack is not what its name says")
        }
        return offset
    }

    /// Opens every frame that the keys at hand open, and checks every id.
    ///
    /// Returns how many slots were checked; none of a data pack without the recovery key.
    public func checkFrames(_ pack: OpenPack) throws(LifeboatError) -> UInt64 {
        guard pack.keys != nil else { return 0 }
        let hashers = pack.header.content == .data ? chunkHashers : nodeHashers
        guard let hasher = hashers[pack.header.domain] else { return 0 }
        for (number, frame) in pack.directory.frames.enumerated() {
            let count = Int(frame.plainLength)
            try decoder.decode(number, of: pack, plainCount: count, into: plain.storage)
            var offset = 0
            let first = pack.directory.firstSlots[number]
            for slot in pack.directory.slots[first..<pack.directory.firstSlots[number + 1]] {
                let bytes = UnsafeRawBufferPointer(
                    rebasing: UnsafeRawBufferPointer(plain.storage)[
                        offset..<offset + Int(slot.length)])
                guard hasher.digest(bytes) == slot.id else {
                    throw fault(pack.name, "frame \(number) holds something else than it says")
                }
                offset += Int(slot.length)
            }
        }
        return UInt64(pack.directory.slots.count)
    }

    /// Marks a pack as damaged, and moves what stands under its name out of the way, so that a
    /// later backup can store its content again.
    ///
    /// The bytes are kept. Nothing is moved before they were read twice and were the same, since a
    /// good pack must not go for bits that change on their way here.
    /// - Throws: `.unavailable` when each reading brings other bytes.
    public static func setAside(
        _ name: Digest, in repository: Repository
    ) throws(LifeboatError) {
        let store = repository.store
        let object = ObjectNames.pack(name)
        if try store.size(object) != nil {
            let bytes = try store.getAgreed(object, limit: PackLayout.byteLimit * 2)
            do throws(LifeboatError) {
                try store.put(ObjectNames.damagedBytes(name), bytes: bytes)
            } catch {
                guard error.code == .exists else { throw error }
            }
        }
        do throws(LifeboatError) {
            try store.put(ObjectNames.damagedMarker(name), bytes: Array("damaged\n".utf8))
        } catch {
            guard error.code == .exists else { throw error }
        }
        // The mark suffices where the bytes are locked.
        if let locking = store.locking {
            _ = try locking.deleteUnlessLocked(object)
        } else {
            try store.delete(object)
        }
    }

}
