extension Array where Element == UInt8 {
    /// The bytes, for a body that throws `LifeboatError`; the standard library's
    /// `withUnsafeBytes` would make it `any Error`.
    public func withBytes<Result>(
        _ body: (UnsafeRawBufferPointer) throws(LifeboatError) -> Result
    ) throws(LifeboatError) -> Result {
        let outcome = withUnsafeBytes { raw -> Swift.Result<Result, LifeboatError> in
            do throws(LifeboatError) {
                return .success(try body(raw))
            } catch {
                return .failure(error)
            }
        }
        return try outcome.get()
    }

    /// The bytes to write into, for a body that throws `LifeboatError`.
    public mutating func withMutableBytes<Result>(
        _ body: (UnsafeMutableRawBufferPointer) throws(LifeboatError) -> Result
    ) throws(LifeboatError) -> Result {
        let outcome = withUnsafeMutableBytes { raw -> Swift.Result<Result, LifeboatError> in
            do throws(LifeboatError) {
                return .success(try body(raw))
            } catch {
                return .failure(error)
            }
        }
        return try outcome.get()
    }
}
