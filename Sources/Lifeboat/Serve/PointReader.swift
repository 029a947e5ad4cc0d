import LifeboatArchive
public import LifeboatCore
import LifeboatFormat
import LifeboatProtocol

/// How a point is read at random places.
public struct PointReaderOptions: Sendable {
    /// An id, a unique prefix, or `latest`.
    public var point: String
    /// For `latest`: whose.
    public var filter = PointFilter()
    /// Bytes of disk for frames of a repository behind a network; 0 for none.
    public var cacheSize: UInt64 = 4 << 30
    /// Peak memory to aim at, in bytes.
    public var memory: UInt64 = 256 << 20
    /// Whether frames are kept on the disk; `nil`: where the repository is behind a network.
    ///
    /// For tests.
    var usesDisk: Bool?

    public init(point: String) { self.point = point }
}

extension Operations {
    /// Opens a point to read its volumes at random places.
    ///
    /// - Throws: `.wrongKey` without the recovery key.
    public func openPoint(_ options: PointReaderOptions) throws(LifeboatError) -> PointReader {
        try PointReader(self, options)
    }
}

/// A point that is open, for reads of its volumes at random places.
///
/// Safe from many threads. Its memory is bounded whatever is read: decoded frames, block map
/// leaves and sealed frames on the disk all have limits.
public final class PointReader: Sendable {
    /// The point's id.
    public let id: Digest
    /// The machine that it is of.
    public let machine: String
    /// Its volumes, definitions of machines included.
    public let volumes: [ServedVolume]
    let access: PointAccess

    init(_ operations: Operations, _ options: PointReaderOptions) throws(LifeboatError) {
        let opened = try operations.openRepository(readsOnly: true)
        _ = try opened.requireRecovery()
        let log = try opened.readLog()
        let catalog = try PointCatalog(opened, log: log)
        operations.warn(log.problems + catalog.problems)
        let filter = options.filter
        let point = try catalog.find(options.point) { filter.accepts($0) }
        id = point.id
        machine = point.body.machine
        let access = try PointAccess(
            operations, try opened.inDomain(point.record.domain), log, options)
        self.access = access
        volumes = point.body.volumes.map { ServedVolume($0, access) }
    }

    deinit { access.helpers.close() }

    /// The volume of this name.
    ///
    /// - Throws: `.missing` naming those that there are.
    public func volume(_ name: String) throws(LifeboatError) -> ServedVolume {
        if let volume = volumes.first(where: { $0.name == name }) { return volume }
        throw LifeboatError(
            .missing, "point \(id.short) has no volume \(name)", subject: name,
            advice: "it has: \(volumes.map(\.name).joined(separator: ", "))")
    }

    /// Ends what goes on in the background; reads go on to work, without help.
    public func close() { access.helpers.close() }
}
