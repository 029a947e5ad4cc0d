import LifeboatCodec
public import LifeboatCore
import LifeboatFormat
public import LifeboatStore
import LifeboatSystem

/// Reads, opens and decodes frames; one a worker thread.
public final class FrameDecoder {
    private let decompressor = Decompressor()
    private let repository: Identifier
    private let store: any ObjectStore
    private let sealed: Buffer
    private let packed: Buffer
    private var cipher: FrameCipher?
    private var cipherKeyID: Digest?

    public init(store: any ObjectStore, repository: Identifier) {
        self.store = store
        self.repository = repository
        let bound = Compressor.bound(PackLayout.frameByteLimit) + FrameCipher.tagByteCount
        sealed = Buffer(capacity: bound)
        packed = Buffer(capacity: bound)
    }

    /// Decodes the first `plainCount` bytes of a frame into `output`.
    ///
    /// `fetched`: the frame's sealed bytes, where they have been read already.
    /// - Throws: `.damaged` naming pack and byte range; `.wrongKey` without the recovery key.
    public func decode(
        _ frameIndex: Int, of pack: OpenPack, plainCount: Int,
        fetched: UnsafeMutableRawBufferPointer? = nil, into output: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError) {
        var fetched = fetched
        try store.rereading(pack.object) { () throws(LifeboatError) in
            // What was read ahead is good for one try.
            defer { fetched = nil }
            try decodeOnce(
                frameIndex, of: pack, plainCount: plainCount, fetched: fetched, into: output)
        }
    }

    private func decodeOnce(
        _ frameIndex: Int, of pack: OpenPack, plainCount: Int,
        fetched: UnsafeMutableRawBufferPointer?, into output: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError) {
        let frame = pack.directory.frames[frameIndex]
        let subject = ObjectNames.pack(pack.name).path
        guard let keys = pack.keys else { throw Self.needsRecovery(subject) }
        let length = Int(frame.sealedLength)
        func fault(_ what: String) -> LifeboatError {
            LifeboatError(
                .damaged,
                "frame \(frameIndex) (bytes \(frame.offset) to \(Int(frame.offset) + length)) \(what)",
                subject: subject,
                advice: "run verify to learn what is lost; the next backup heals what it still has")
        }
        guard length <= sealed.capacity else { throw fault("is larger than any frame") }
        let room: UnsafeMutableRawBufferPointer
        if let fetched, fetched.count == length {
            room = fetched
        } else {
            room = UnsafeMutableRawBufferPointer(rebasing: sealed.storage[0..<length])
            let got: Int
            do throws(LifeboatError) {
                got = try store.read(pack.object, at: UInt64(frame.offset), into: room)
            } catch {
                throw error.code == .missing ? fault("is gone, with its whole pack") : error
            }
            guard got == length else { throw fault("is cut off") }
        }
        let keyID = pack.keyIDs[Int(frame.keyIndex)]
        if cipherKeyID != keyID {
            cipher = FrameCipher(key: keys[Int(frame.keyIndex)])
            cipherKeyID = keyID
        }
        guard let cipher else { throw fault("has no key") }
        let associated = PackLayout.frameAssociatedData(
            repository: repository, keyID: keyID, counter: frame.counter)
        let isWhole = plainCount == Int(frame.plainLength)
        do throws(LifeboatError) {
            if frame.encoding == 0 {
                guard length - FrameCipher.tagByteCount == Int(frame.plainLength) else {
                    throw fault("has the wrong length")
                }
                let direct = isWhole && output.count >= Int(frame.plainLength)
                let target = direct ? output : packed.storage
                _ = try open(cipher, frame.counter, associated, room, target)
                if !direct {
                    UnsafeMutableRawBufferPointer(rebasing: output[0..<plainCount]).copyMemory(
                        from: UnsafeRawBufferPointer(
                            rebasing: UnsafeRawBufferPointer(packed.storage)[0..<plainCount]))
                }
                return
            }
            let count = try open(cipher, frame.counter, associated, room, packed.storage)
            let input = UnsafeRawBufferPointer(
                rebasing: UnsafeRawBufferPointer(packed.storage)[0..<count])
            let target = UnsafeMutableRawBufferPointer(rebasing: output[0..<plainCount])
            if isWhole {
                try decompressor.decompress(input, into: target)
            } else {
                try decompressor.decompressPrefix(input, into: target)
            }
        } catch {
            throw error.code == .damaged && error.subject != subject
                ? fault("does not authenticate or decode") : error
        }
    }

    private static func needsRecovery(_ subject: String) -> LifeboatError {
        LifeboatError(
            .wrongKey, "reading data back needs the recovery key", subject: subject,
            advice: "give --recovery-key-file")
    }

    private func open(
        _ cipher: FrameCipher, _ counter: UInt64, _ associated: [UInt8],
        _ input: UnsafeMutableRawBufferPointer, _ output: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError) -> Int {
        var count = 0
        try associated.withBytes { raw throws(LifeboatError) in
            count = try cipher.open(
                counter: counter, associatedData: raw, sealed: UnsafeRawBufferPointer(input),
                into: output)
        }
        return count
    }
}
