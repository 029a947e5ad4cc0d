import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatSystem

/// Builds one pack in memory.
///
/// Room for a frame is reserved under the session's lock; the frame is then sealed right into
/// its place by the worker that compressed it, many at once. The pack is finished when it is
/// closed and every reservation has been filled.
final class PackBuilder: @unchecked Sendable {
    let content: PackLayout.Content
    let buffer: Buffer
    private let frameKey: SecretBytes
    private let keyID: Digest
    private let repository: Identifier
    private let header: [UInt8]
    private let directoryCipher: FrameCipher
    private var used = 0
    private(set) var directory = PackDirectory()
    /// Frames reserved and not yet sealed.
    ///
    /// Guarded by the session's lock, as is `isClosed`.
    var outstanding = 0
    var isClosed = false

    /// Header, keys, a frame beyond the target, a directory and padding.
    static let bufferByteCount = PackLayout.targetByteCount + (6 << 20)

    init(
        _ content: PackLayout.Content, domain: DomainKeys, recoveryKey: [UInt8], buffer: Buffer
    ) throws(LifeboatError) {
        self.content = content
        self.buffer = buffer
        repository = domain.repository
        let salt = randomBytes(PackLayout.saltByteCount)
        header = PackLayout.header(
            content, keyCount: 1, repository: domain.repository, domain: domain.domain, salt: salt)
        directoryCipher = domain.cipher(PackLayout.directoryLabel, salt: salt)
        let keyTable: [UInt8]
        switch content {
        case .data:
            frameKey = SecretBytes.random(count: 32)
            let sealed = try RecoverySealing.seal(
                frameKey, to: recoveryKey, info: domain.frameKeyInfo)
            keyID = SHA256Hash.digest(sealed.encapsulation)
            keyTable = sealed.encapsulation + sealed.sealed
        case .metadata:
            let frameSalt = randomBytes(PackLayout.metadataKeyByteCount)
            frameKey = domain.metadataFrameKey(salt: frameSalt)
            keyID = SHA256Hash.digest(frameSalt)
            keyTable = frameSalt
        }
        append(header)
        append(keyTable)
    }

    private func append(_ bytes: [UInt8]) {
        precondition(used + bytes.count <= buffer.capacity, "a pack outgrew its buffer")
        bytes.withUnsafeBytes {
            UnsafeMutableRawBufferPointer(rebasing: buffer.storage[used..<used + $0.count])
                .copyMemory(from: $0)
        }
        used += bytes.count
    }

    var isEmpty: Bool { directory.frames.isEmpty }

    /// Whether a frame of this size still belongs into this pack.
    func hasRoom(sealedByteCount: Int, slotCount: Int) -> Bool {
        if isEmpty { return true }
        let directoryBytes =
            directory.byteCount + PackDirectory.frameByteCount
            + slotCount * PackDirectory.slotByteCount
        return used + sealedByteCount + directoryBytes <= PackLayout.targetByteCount
            && directory.frames.count < PackLayout.frameLimit
    }

    /// A place for a sealed frame, and what to seal it with.
    struct Reservation {
        let builder: PackBuilder
        let key: SecretBytes
        let counter: UInt64
        let associatedData: [UInt8]
        let region: UnsafeMutableRawBufferPointer
    }

    /// Reserves the next place.
    ///
    /// Under the session's lock.
    func reserve(
        sealedByteCount: Int, plainLength: Int, encoding: UInt8, slots: [PackDirectory.Slot]
    ) -> Reservation {
        precondition(used + sealedByteCount <= buffer.capacity, "a pack outgrew its buffer")
        let counter = UInt64(directory.frames.count)
        let frame = PackDirectory.Frame(
            offset: UInt32(used), sealedLength: UInt32(sealedByteCount),
            plainLength: UInt32(plainLength), slotCount: UInt16(slots.count), keyIndex: 0,
            encoding: encoding, counter: counter)
        directory.append(frame, slots)
        let region = UnsafeMutableRawBufferPointer(
            rebasing: buffer.storage[used..<used + sealedByteCount])
        used += sealedByteCount
        outstanding += 1
        return Reservation(
            builder: self, key: frameKey, counter: counter,
            associatedData: PackLayout.frameAssociatedData(
                repository: repository, keyID: keyID, counter: counter),
            region: region)
    }

    /// Writes directory and trailer: the pack's bytes, and the name that they give it.
    ///
    /// Once, when closed and nothing is outstanding. The bytes live as long as the buffer.
    func finish() -> (name: Digest, bytes: UnsafeRawBufferPointer) {
        let directoryOffset = used
        let least =
            used + directory.byteCount + PackLayout.tagByteCount + PackLayout.trailerByteCount
        let total = SizeClass.padded(least)
        let padded = directory.byteCount + (total - least)
        append(
            directoryCipher.seal(
                counter: PackLayout.directoryCounter, associatedData: header,
                plain: directory.encoded(paddedTo: padded)))
        var trailer: [UInt8] = []
        LittleEndian.append(UInt64(directoryOffset), to: &trailer)
        LittleEndian.append(UInt64(0), to: &trailer)
        append(
            directoryCipher.seal(
                counter: PackLayout.trailerCounter, associatedData: header, plain: trailer))
        precondition(used == total, "a pack's padding does not add up")
        let bytes = UnsafeRawBufferPointer(
            rebasing: UnsafeRawBufferPointer(buffer.storage)[0..<used])
        return (SHA256Hash.digest(bytes), bytes)
    }
}
