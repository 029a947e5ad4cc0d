public import LifeboatCore

/// A writable export of an NBD server to write a volume to.
public final class NBDTarget: VolumeWriter {
    public let name: String
    public let size: UInt64
    public let startsZeroed: Bool
    private let export: NBDExport

    /// Bit 1 of `base:allocation`: reads as zeros.
    private static let zeroFlag: UInt32 = 2

    /// Connects to an export; `startsZeroed`: whether it is known to hold nothing but zeros.
    ///
    /// - Throws: `.refused` when it may not be written to, `.unavailable` as `NBDVolume` does.
    public init(
        uri: String, options: NBDOptions = .init(), startsZeroed: Bool = false
    ) throws(LifeboatError) {
        export = try NBDExport(uri: uri, options: options)
        name = export.name
        size = export.properties.size
        self.startsZeroed = startsZeroed
        guard !export.properties.isReadOnly else {
            throw LifeboatError(
                .refused, "the NBD export \(name) is read-only", subject: name)
        }
    }

    public func write(
        at offset: UInt64, _ bytes: UnsafeRawBufferPointer
    ) throws(LifeboatError) {
        try check(offset, UInt64(bytes.count))
        try export.write(at: offset, bytes)
    }

    public func zero(_ extent: Extent) throws(LifeboatError) {
        try check(extent.offset, extent.length)
        try export.zero(extent)
    }

    public func read(
        at offset: UInt64, into target: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError) -> Int {
        guard offset < size else { return 0 }
        let count = Int(min(UInt64(target.count), size - offset))
        try export.read(
            at: offset, into: UnsafeMutableRawBufferPointer(rebasing: target[..<count]))
        return count
    }

    public func dataExtents(from start: UInt64, to end: UInt64) throws(LifeboatError) -> [Extent] {
        try export.runs(from: start, to: end, context: NBDConnection.allocationContext) {
            $0 & Self.zeroFlag == 0
        }
    }

    public func sync() throws(LifeboatError) { try export.flush() }

    /// What the server caches is its own affair.
    public func dropCache() {}

    private func check(_ offset: UInt64, _ length: UInt64) throws(LifeboatError) {
        let (end, overflow) = offset.addingReportingOverflow(length)
        guard overflow || end > size else { return }
        throw LifeboatError(
            .refused, "bytes \(offset)-\(end) do not fit into \(name), which has \(size)",
            subject: name)
    }
}
