import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatSystem

/// Compresses and seals frames, and proves that they can be read again; one a worker thread.
///
/// What it lets pass was decoded and compared with the source: a fault of memory, compiler or
/// compressor is found before anything is stored.
public final class FrameEncoder {
    private let compressor: Compressor
    private let decompressor = Decompressor()
    private let packed: Buffer
    private let check: Buffer

    /// `frameByteCount`: plain bytes of the largest frame it is given.
    public init(level: Int32, frameByteCount: Int) {
        compressor = Compressor(level: level)
        let bound = max(Compressor.bound(frameByteCount), frameByteCount)
        packed = Buffer(capacity: bound)
        check = Buffer(capacity: bound)
    }

    /// Compresses a frame where that pays, and compares what it decodes to with the source.
    ///
    /// The result is `plain` itself or points into this encoder until the next call.
    func compress(
        _ plain: UnsafeRawBufferPointer
    ) throws(LifeboatError) -> (bytes: UnsafeRawBufferPointer, encoding: UInt8) {
        let count = try compressor.compress(plain, into: packed.storage)
        // What does not shrink by a hundredth is not worth decoding later.
        guard count < plain.count - plain.count / 128 else { return (plain, 0) }
        let bytes = UnsafeRawBufferPointer(
            rebasing: UnsafeRawBufferPointer(packed.storage)[0..<count])
        let decoded = UnsafeMutableRawBufferPointer(rebasing: check.storage[0..<plain.count])
        try decompressor.decompress(bytes, into: decoded)
        guard Bytes.equal(UnsafeRawBufferPointer(decoded), plain) else { throw Self.fault }
        return (bytes, 1)
    }

    /// Seals a compressed frame into its place, opens it again and compares.
    func seal(
        _ bytes: UnsafeRawBufferPointer, into place: PackBuilder.Reservation
    ) throws(LifeboatError) {
        let cipher = FrameCipher(key: place.key)
        try place.associatedData.withBytes { associated throws(LifeboatError) in
            let count = cipher.seal(
                counter: place.counter, associatedData: associated, plain: bytes,
                into: place.region)
            guard count == place.region.count else { throw Self.fault }
            let opened = try cipher.open(
                counter: place.counter, associatedData: associated,
                sealed: UnsafeRawBufferPointer(place.region), into: check.storage)
            let again = UnsafeRawBufferPointer(
                rebasing: UnsafeRawBufferPointer(check.storage)[0..<opened])
            guard Bytes.equal(again, bytes) else { throw Self.fault }
        }
    }

    private static var fault: LifeboatError {
        LifeboatError(
            .internalFault, "a frame does not decode to what went into it",
            advice: "nothing of it was stored; suspect this machine's memory and test it")
    }
}
