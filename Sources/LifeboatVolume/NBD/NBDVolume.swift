public import LifeboatCore

/// An export of an NBD server as a volume to read.
///
/// No call waits longer than the options' timeout without progress: a server that falls silent ends
/// in `.unavailable`, naming the export and the range.
public final class NBDVolume: VolumeReader {
    public let name: String
    public let size: UInt64
    /// Whether the server lets nobody write to it over NBD.
    public let isReadOnly: Bool
    private let export: NBDExport
    private let options: NBDOptions

    /// Bit 1 of `base:allocation`: reads as zeros.
    private static let zeroFlag: UInt32 = 2
    /// Bit 0 of `qemu:dirty-bitmap:` contexts.
    private static let dirtyFlag: UInt32 = 1

    /// Connects to `nbd://`, `nbds://`, `nbd+unix://` or `nbds+unix://`.
    ///
    /// - Throws: `.unavailable` when the server does not answer, or has no such export; `.refused`
    ///   when the URI cannot be used.
    public init(uri: String, options: NBDOptions = .init()) throws(LifeboatError) {
        export = try NBDExport(uri: uri, options: options)
        name = export.name
        size = export.properties.size
        isReadOnly = export.properties.isReadOnly
        self.options = options
    }

    public func extents(from start: UInt64, to end: UInt64) throws(LifeboatError) -> [Extent] {
        try export.runs(from: start, to: end, context: NBDConnection.allocationContext) {
            $0 & Self.zeroFlag == 0
        }
    }

    /// What the options' dirty context calls changed, ascending; joined where there are very many.
    ///
    /// - Throws: `.missing` when the server has no such context.
    public func changedExtents() throws(LifeboatError) -> [Extent] {
        guard let context = options.dirtyContext, export.properties.contexts.contains(context)
        else {
            throw LifeboatError(
                .missing,
                "\(name) does not tell what has changed: it has no "
                    + (options.dirtyContext ?? "dirty bitmap"), subject: name)
        }
        return try export.runs(from: 0, to: size, context: context) {
            $0 & Self.dirtyFlag != 0
        }
    }

    public func read(
        at offset: UInt64, into target: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError) {
        let (end, overflow) = offset.addingReportingOverflow(UInt64(target.count))
        guard !overflow, end <= size else {
            throw LifeboatError(
                .unreadable, "\(name) ends at byte \(size), inside the range \(offset)-\(end)",
                subject: name)
        }
        try export.read(at: offset, into: target)
    }

    /// As of opening: an export has one size for all of a connection's life.
    public func currentSize() throws(LifeboatError) -> UInt64 { size }

    public var inUse: String? {
        options.isFrozen || isReadOnly ? nil : "an NBD export that nothing says is frozen"
    }
}
