internal import CZstd
internal import LifeboatCore

/// What compressor and decompressor share of libzstd.
enum Zstandard {
    /// The largest window of a frame, as a power of two: 8 MiB.
    ///
    /// On disk: never make it smaller.
    static let largestWindowLog: Int32 = 23

    /// The result of a call, or libzstd's own words as the cause of an error.
    static func value(
        of result: Int, or code: LifeboatError.Code, _ message: @autoclosure () -> String
    ) throws(LifeboatError) -> Int {
        guard ZSTD_isError(result) != 0 else { return result }
        throw LifeboatError(code, message(), cause: String(cString: ZSTD_getErrorName(result)))
    }
}
