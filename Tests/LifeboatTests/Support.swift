@testable import LifeboatArchive
import LifeboatCore
import LifeboatFormat
import LifeboatProtocol
import LifeboatVolume

/// The code of the error that `body` throws; `nil` when it throws none.
func code(_ body: () throws(LifeboatError) -> Void) -> LifeboatError.Code? {
    do throws(LifeboatError) {
        try body()
        return nil
    } catch {
        return error.code
    }
}

/// A volume that has a size and extents, and nothing else.
final class ExtentVolume: VolumeReader {
    let name = "extents"
    let size: UInt64
    private let data: [Extent]

    /// `data`: ascending and apart.
    init(size: UInt64, data: [Extent]) {
        self.size = size
        self.data = data
    }

    func extents(from start: UInt64, to end: UInt64) throws(LifeboatError) -> [Extent] {
        data.compactMap { extent in
            let low = max(extent.offset, start)
            let high = min(extent.end, end)
            return low < high ? Extent(offset: low, length: high - low) : nil
        }
    }

    func read(
        at offset: UInt64, into target: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError) {}

    func currentSize() throws(LifeboatError) -> UInt64 { size }

    var inUse: String? { nil }
}

/// A point with one volume.
func point(id: Digest, volume: String, size: UInt64) -> Point {
    let name = Identifier.random()
    return Point(
        id: id,
        record: Ledger.Point(
            id: id, incarnation: name, sequence: 1, member: name, domain: name, body: .zero,
            time: 1),
        body: PointBody(
            machine: "machine", host: "host", begun: 1, ended: 2, consistency: .crash,
            parent: .zero, tags: [:],
            volumes: [
                .init(
                    name: volume, size: size, root: .zero, levels: 0, consistency: .crash,
                    method: "full", bytesRead: 0, bytesNew: 0, bytesStored: 0, bytesZero: 0,
                    bytesUnchanged: 0, warnings: [])
            ], program: "test"),
        tags: [:])
}
