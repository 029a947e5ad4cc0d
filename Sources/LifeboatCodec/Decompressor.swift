internal import CZstd
public import LifeboatCore

/// Decodes frames of zstd that may be damaged or hostile.
///
/// One for each thread. The caller says how many bytes it expects; what a frame says about itself never sizes memory
/// beyond a window of 8 MiB.
public final class Decompressor {
    private static let magic: UInt32 = 0xFD2F_B528

    private let context: OpaquePointer

    public init() {
        guard let context = ZSTD_createDCtx() else { preconditionFailure("no memory for zstd") }
        self.context = context
        let result = ZSTD_DCtx_setParameter(
            context, ZSTD_d_windowLogMax, Zstandard.largestWindowLog)
        precondition(ZSTD_isError(result) == 0, "zstd refuses a parameter")
    }

    deinit { ZSTD_freeDCtx(context) }

    /// Decodes one whole frame into exactly `out.count` bytes.
    ///
    /// - Throws: `.damaged` for anything but one sound frame of that content size.
    public func decompress(
        _ packed: UnsafeRawBufferPointer, into out: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError) {
        try checkMagic(packed)
        guard ZSTD_getFrameContentSize(packed.baseAddress, packed.count) == UInt64(out.count)
        else { throw damaged("a compressed frame is not of the size it should have") }
        let length = ZSTD_findFrameCompressedSize(packed.baseAddress, packed.count)
        guard try value(of: length) == packed.count else {
            throw damaged("a compressed frame ends before its bytes do")
        }
        let result = ZSTD_decompressDCtx(
            context, out.baseAddress, out.count, packed.baseAddress, packed.count)
        guard try value(of: result) == out.count else {
            throw damaged("a compressed frame holds too few bytes")
        }
    }

    /// Decodes the first `out.count` bytes of a frame, and stops there.
    ///
    /// - Throws: `.damaged` when the frame holds fewer, or does not decode so far.
    public func decompressPrefix(
        _ packed: UnsafeRawBufferPointer, into out: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError) {
        try checkMagic(packed)
        ZSTD_DCtx_reset(context, ZSTD_reset_session_only)
        var source = ZSTD_inBuffer(src: packed.baseAddress, size: packed.count, pos: 0)
        var target = ZSTD_outBuffer(dst: out.baseAddress, size: out.count, pos: 0)
        while target.pos < target.size {
            let before = (source.pos, target.pos)
            let rest = try value(of: ZSTD_decompressStream(context, &target, &source))
            if target.pos == target.size { break }
            guard rest != 0, (source.pos, target.pos) != before else {
                throw damaged("a compressed frame ends too early")
            }
        }
    }

    /// Old formats and skippable frames have other magic numbers; libzstd may know them, we do not.
    private func checkMagic(_ packed: UnsafeRawBufferPointer) throws(LifeboatError) {
        guard packed.count >= 4,
            UInt32(littleEndian: packed.loadUnaligned(as: UInt32.self)) == Self.magic
        else { throw damaged("bytes are not a compressed frame") }
    }

    private func value(of result: Int) throws(LifeboatError) -> Int {
        try Zstandard.value(of: result, or: .damaged, "a compressed frame does not decode")
    }

    private func damaged(_ message: String) -> LifeboatError { LifeboatError(.damaged, message) }
}
