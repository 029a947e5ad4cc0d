import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatStore
import LifeboatSystem

/// Moves whole frames, sealed as they are, from several packs into one.
///
/// A frame stays valid with its key's entry of the key table, so no key is needed but the
/// domain's secret for the directory. Source: formats/pack.md, "Frames".
///
/// Nobody without the recovery key could tell whether a frame is whole, and the new pack's name
/// would vouch for whatever is in it: so each pack is read whole, and compared with its own name.
struct FrameMover {
    /// A frame to move.
    struct Source {
        let pack: OpenPack
        let frame: Int
    }

    /// A frame with the bytes that go with it.
    struct Cargo {
        let source: Source
        let sealed: [UInt8]
        /// The entry of the key table.
        let key: [UInt8]
    }

    let repository: Repository
    let domain: DomainKeys

    /// How many keys a pack can have.
    static let keyLimit = 255

    /// The bytes of a pack, which are those that its name is the hash of.
    ///
    /// - Throws: `.damaged` when they are not.
    func load(_ pack: OpenPack) throws(LifeboatError) -> [UInt8] {
        let subject = ObjectNames.pack(pack.name).path
        return try repository.store.get(pack.object, limit: PackLayout.byteLimit) {
            bytes throws(LifeboatError) in
            guard SHA256Hash.digest(bytes) == pack.name else {
                throw LifeboatError(
                    .damaged, "the pack is not what its name says", subject: subject)
            }
            return bytes
        }
    }

    /// Takes a frame out of the bytes of its pack.
    func take(_ source: Source, outOf bytes: [UInt8]) throws(LifeboatError) -> Cargo {
        let frame = source.pack.directory.frames[source.frame]
        let count = source.pack.header.keyByteCount
        let key = PackLayout.headerByteCount + Int(frame.keyIndex) * count
        let end = Int(frame.offset) + Int(frame.sealedLength)
        guard key + count <= bytes.count, end <= bytes.count else {
            throw LifeboatError(
                .damaged, "the pack ends early", subject: ObjectNames.pack(source.pack.name).path)
        }
        return Cargo(
            source: source, sealed: Array(bytes[Int(frame.offset)..<end]),
            key: Array(bytes[key..<key + count]))
    }

    /// Writes a pack of these frames, which all have the same content, and stores it.
    func store(
        _ cargo: [Cargo]
    ) throws(LifeboatError) -> (name: Digest, directory: PackDirectory, byteCount: Int) {
        guard let content = cargo.first?.source.pack.header.content else {
            throw LifeboatError(.internalFault, "a pack of no frames")
        }
        var keyIndices: [Digest: UInt8] = [:]
        var keyTable: [UInt8] = []
        for item in cargo {
            let keyID = item.source.pack.keyIDs[Int(keyIndex(item.source))]
            guard keyIndices[keyID] == nil else { continue }
            keyIndices[keyID] = UInt8(keyIndices.count)
            keyTable += item.key
        }
        let salt = randomBytes(PackLayout.saltByteCount)
        let header = PackLayout.header(
            content, keyCount: keyIndices.count, repository: domain.repository,
            domain: domain.domain, salt: salt)
        var bytes = header + keyTable
        bytes.reserveCapacity(PackLayout.targetByteCount + (6 << 20))
        var directory = PackDirectory()
        for item in cargo {
            let source = item.source
            let old = source.pack.directory.frames[source.frame]
            let first = source.pack.directory.firstSlots[source.frame]
            let slots = Array(source.pack.directory.slots[first..<first + Int(old.slotCount)])
            let frame = PackDirectory.Frame(
                offset: UInt32(bytes.count), sealedLength: old.sealedLength,
                plainLength: old.plainLength, slotCount: old.slotCount,
                keyIndex: keyIndices[source.pack.keyIDs[Int(old.keyIndex)]] ?? 0,
                encoding: old.encoding, counter: old.counter)
            bytes += item.sealed
            directory.append(frame, slots)
        }
        finish(&bytes, header, directory, domain.cipher(PackLayout.directoryLabel, salt: salt))
        let name = SHA256Hash.digest(bytes)
        try repository.store.put(ObjectNames.pack(name), bytes: bytes, contentDigest: name)
        return (name, directory, bytes.count)
    }

    private func keyIndex(_ source: Source) -> UInt8 {
        source.pack.directory.frames[source.frame].keyIndex
    }

    /// Appends directory and trailer.
    private func finish(
        _ bytes: inout [UInt8], _ header: [UInt8], _ directory: PackDirectory,
        _ cipher: FrameCipher
    ) {
        let offset = bytes.count
        let least =
            offset + directory.byteCount + PackLayout.tagByteCount + PackLayout.trailerByteCount
        let total = SizeClass.padded(least)
        bytes += cipher.seal(
            counter: PackLayout.directoryCounter, associatedData: header,
            plain: directory.encoded(paddedTo: directory.byteCount + total - least))
        var trailer: [UInt8] = []
        LittleEndian.append(UInt64(offset), to: &trailer)
        LittleEndian.append(UInt64(0), to: &trailer)
        bytes += cipher.seal(
            counter: PackLayout.trailerCounter, associatedData: header, plain: trailer)
    }
}
