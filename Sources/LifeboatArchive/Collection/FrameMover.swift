import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatStore
import LifeboatSystem

/// Moves whole frames, sealed as they are, from several packs into one.
///
/// A frame stays valid with its key's entry of the key table, so no key is needed but the
/// domain's secret for the directory. Source: formats/pack.md, "Frames".
struct FrameMover {
    /// A frame to move.
    struct Source {
        let pack: OpenPack
        let frame: Int
    }

    let repository: Repository
    let domain: DomainKeys

    /// How many keys a pack can have.
    static let keyLimit = 255

    /// Writes a pack of these frames, which all have the same content, and stores it.
    ///
    /// - Throws: `.damaged` when a frame cannot be read whole.
    func store(
        _ sources: [Source]
    ) throws(LifeboatError) -> (name: Digest, directory: PackDirectory, byteCount: Int) {
        guard let content = sources.first?.pack.header.content else {
            throw LifeboatError(.internalFault, "a pack of no frames")
        }
        var keyIndices: [Digest: UInt8] = [:]
        var keyTable: [UInt8] = []
        for source in sources {
            let (pack, index) = (source.pack, Int(key(source)))
            guard keyIndices[pack.keyIDs[index]] == nil else { continue }
            keyIndices[pack.keyIDs[index]] = UInt8(keyIndices.count)
            let count = pack.header.keyByteCount
            keyTable += try read(
                pack, at: PackLayout.headerByteCount + index * count, count: count)
        }
        let salt = randomBytes(PackLayout.saltByteCount)
        let header = PackLayout.header(
            content, keyCount: keyIndices.count, repository: domain.repository,
            domain: domain.domain, salt: salt)
        var bytes = header + keyTable
        bytes.reserveCapacity(PackLayout.targetByteCount + (6 << 20))
        var directory = PackDirectory()
        for source in sources {
            let old = source.pack.directory.frames[source.frame]
            let first = source.pack.directory.firstSlots[source.frame]
            let slots = Array(source.pack.directory.slots[first..<first + Int(old.slotCount)])
            let frame = PackDirectory.Frame(
                offset: UInt32(bytes.count), sealedLength: old.sealedLength,
                plainLength: old.plainLength, slotCount: old.slotCount,
                keyIndex: keyIndices[source.pack.keyIDs[Int(old.keyIndex)]] ?? 0,
                encoding: old.encoding, counter: old.counter)
            bytes += try read(
                source.pack, at: Int(old.offset), count: Int(old.sealedLength))
            directory.append(frame, slots)
        }
        finish(&bytes, header, directory, domain.cipher(PackLayout.directoryLabel, salt: salt))
        let name = SHA256Hash.digest(bytes)
        try repository.store.put(ObjectNames.pack(name), bytes: bytes, contentDigest: name)
        return (name, directory, bytes.count)
    }

    private func key(_ source: Source) -> UInt8 {
        source.pack.directory.frames[source.frame].keyIndex
    }

    private func read(
        _ pack: OpenPack, at offset: Int, count: Int
    ) throws(LifeboatError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var got = 0
        try bytes.withMutableBytes { raw throws(LifeboatError) in
            got = try repository.store.read(pack.object, at: UInt64(offset), into: raw)
        }
        guard got == count else {
            throw LifeboatError(
                .damaged, "the pack ends early", subject: ObjectNames.pack(pack.name).path)
        }
        return bytes
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
