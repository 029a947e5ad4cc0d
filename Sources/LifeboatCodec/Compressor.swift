internal import CZstd
public import LifeboatCore

/// Compresses with zstd, each call one frame that tells its content size.
///
/// One for each thread.
public final class Compressor {
    private let context: OpaquePointer

    /// Takes a level of zstd, and the window's size as a power of two, at most 23, where the
    /// level's own does not do.
    public init(level: Int32, windowLog: Int32? = nil) {
        guard let context = ZSTD_createCCtx() else { preconditionFailure("no memory for zstd") }
        self.context = context
        set(ZSTD_c_compressionLevel, level)
        // The levels over 19 have larger windows than the decompressor accepts.
        let limit = level > 19 ? Zstandard.largestWindowLog : nil
        guard let windowLog = windowLog ?? limit else { return }
        precondition(windowLog <= Zstandard.largestWindowLog, "the window is over 8 MiB")
        set(ZSTD_c_windowLog, windowLog)
    }

    deinit { ZSTD_freeCCtx(context) }

    /// The most bytes that a frame of `byteCount` plain bytes can take.
    public static func bound(_ byteCount: Int) -> Int { ZSTD_compressBound(byteCount) }

    /// Compresses into `out`; the count of bytes written.
    ///
    /// - Throws: `.internalFault` when `out` is too small, which `bound` prevents.
    public func compress(
        _ plain: UnsafeRawBufferPointer, into out: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError) -> Int {
        let result = ZSTD_compress2(
            context, out.baseAddress, out.count, plain.baseAddress, plain.count)
        return try Zstandard.value(of: result, or: .internalFault, "bytes did not compress")
    }

    private func set(_ parameter: ZSTD_cParameter, _ value: Int32) {
        let result = ZSTD_CCtx_setParameter(context, parameter, value)
        precondition(ZSTD_isError(result) == 0, "zstd refuses a parameter")
    }
}
