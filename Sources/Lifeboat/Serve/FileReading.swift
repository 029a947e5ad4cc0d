public import LifeboatCore
import LifeboatSystem

extension Operations {
    /// Lists files of a point's volume, or copies them out, without root and without a mount.
    ///
    /// A journal is replayed on an overlay that goes when this is done: the point stays as it is.
    /// - Throws: `.missing` without the path, the partition or the programs that are needed,
    ///   `.unsupported` where there is no file system that is known, `.unavailable` where the
    ///   virtual machine of libguestfs does not start.
    public func files(_ options: FileOptions) throws(LifeboatError) -> FileListing {
        var reading = PointReaderOptions(point: options.serve.point)
        reading.filter = options.serve.filter
        reading.memory = 32 << 20
        reading.cacheSize = 0
        let point = try openPoint(reading)
        let place = try FilePlace.find(
            try point.volume(options.volume), partition: options.partition)
        point.close()
        var listing = FileListing(
            point: point.id, volume: options.volume, partition: place.number,
            fileSystem: place.fileSystem.rawValue, path: options.path, entries: [],
            target: options.target)
        var serve = options.serve
        serve.point = point.id.hex
        serve.volume = options.volume
        if let target = options.target { try Files.makeDirectories(Files.absolute(target)) }
        switch place.fileSystem {
        case .ext:
            serve.overlay = place.extent
            listing.entries = try ExtReader(serve, cancellation).read(options)
        case .xfs, .ntfs:
            listing.entries = try ApplianceReader(serve, events, cancellation)
                .read(options, place.number)
        }
        return listing
    }
}
