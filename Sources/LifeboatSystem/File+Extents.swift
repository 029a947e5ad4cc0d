internal import CLinux
internal import Glibc
public import LifeboatCore

extension File {
    /// The runs between `offset` and `end` that may hold data, ascending; all else is holes.
    ///
    /// At most `limit` runs; the last one then reaches to `end`. Where the file system does not
    /// tell holes, the one run is everything.
    public func dataExtents(
        from offset: UInt64, to end: UInt64, limit: Int
    ) throws(LifeboatError) -> [Extent] {
        guard let last = off_t(exactly: end), offset < end else { return [] }
        precondition(limit > 0, "at least one run can be told")
        var runs: [Extent] = []
        var position = off_t(offset)
        while position < last {
            let start = lifeboat_seek_data(descriptor, position)
            if start < 0 {
                if errno == ENXIO { break }
                if errno == EINVAL || errno == EOPNOTSUPP || errno == ESPIPE {
                    runs.append(run(position, last))
                    break
                }
                throw failure("cannot find the holes of", reading: true)
            }
            guard start < last else { break }
            if runs.count == limit - 1 {
                runs.append(run(start, last))
                break
            }
            let hole = lifeboat_seek_hole(descriptor, start)
            // The file may have shrunk since: the read will tell.
            let stop = hole < 0 ? last : min(hole, last)
            guard stop > start else { break }
            runs.append(run(start, stop))
            position = stop
        }
        return runs
    }

    /// Makes `extent` read as zeros and frees its space; `false` where that is not possible.
    public func punchHole(_ extent: Extent) throws(LifeboatError) -> Bool {
        guard extent.length > 0 else { return true }
        guard let offset = off_t(exactly: extent.offset),
            let length = off_t(exactly: extent.length)
        else { return false }
        if lifeboat_punch(descriptor, offset, length) == 0 { return true }
        let isUnsupported = [EOPNOTSUPP, ENOSYS, EINVAL, ENODEV].contains(errno)
        guard isUnsupported else { throw failure("cannot free space of") }
        guard kind == .blockDevice, extent.offset % 512 == 0, extent.length % 512 == 0 else {
            return false
        }
        if lifeboat_device_zero(descriptor, extent.offset, extent.length) == 0 { return true }
        if [EOPNOTSUPP, ENOTTY, EINVAL].contains(errno) { return false }
        throw failure("cannot write zeros to")
    }

    private func run(_ start: off_t, _ end: off_t) -> Extent {
        Extent(offset: UInt64(start), length: UInt64(end - start))
    }
}
