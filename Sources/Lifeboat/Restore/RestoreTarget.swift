import LifeboatArchive
import LifeboatCore
import LifeboatFormat
import LifeboatSystem
import LifeboatVolume

/// Where a volume is restored to, and how: decided before anything is written.
struct RestoreTarget {
    let target: any VolumeWriter
    let journal: RestoreJournal
    /// The first chunk to do.
    let position: UInt64
    /// Whether what is there already is compared first.
    let compares: Bool
    /// Where a new file is written until it is whole, and where it belongs then.
    private let partial: (from: String, to: String)?
    /// The target, where it is an image, which must be closed in the end.
    private let image: ImageTarget?

    private init(
        target: any VolumeWriter, journal: RestoreJournal, position: UInt64, compares: Bool,
        partial: (from: String, to: String)?
    ) {
        image = target as? ImageTarget
        self.target = target
        self.journal = journal
        self.position = position
        self.compares = compares
        self.partial = partial
    }

    /// The ending of a file that is not whole yet.
    static let partialEnding = ".lifeboat-partial"

    static func prepare(
        _ path: String, _ volume: PointBody.Volume, point: Digest, options: RestoreOptions,
        directories: LocalDirectories
    ) throws(LifeboatError) -> RestoreTarget {
        let journal = RestoreJournal(
            directories, target: path, point: point, volume: volume.name)
        switch VolumeLocation(path) {
        case .export(let uri): return try export(uri, volume, journal, options)
        case .image(let path, let format):
            // A device may have any name.
            let kind = Files.exists(path) ? try File(path: path, access: .read).kind : .regular
            if kind == .regular { return try image(path, format, volume, journal, options) }
        case .file: break
        }
        guard Files.exists(path) else {
            return try newFile(path, volume, journal, options)
        }
        let file = try File(path: path, access: .read)
        let isDevice = file.kind == .blockDevice
        guard isDevice || file.kind == .regular else {
            throw LifeboatError(
                .refused, "the target is neither a file nor a block device", subject: path)
        }
        let resumed = options.resumes ? journal.position : nil
        if !options.isInPlace, resumed == nil {
            guard isDevice else {
                throw LifeboatError(
                    .exists, "the target exists already", subject: path,
                    advice: "give another name, or --in-place to make it what the point holds")
            }
            guard try looksEmpty(file) else {
                throw LifeboatError(
                    .refused, "the device is not empty", subject: path,
                    advice: "give --in-place if what is on it may be overwritten")
            }
        }
        let size = try file.size()
        if isDevice {
            guard size >= volume.size else {
                throw LifeboatError(
                    .refused, "the device has \(size) bytes, the volume needs \(volume.size)",
                    subject: path)
            }
        } else if size != volume.size {
            try File(path: path, access: .readWrite).truncate(to: volume.size)
        }
        // Whatever was noted of an earlier restore does not hold of this one.
        if resumed == nil { journal.remove() }
        return RestoreTarget(
            target: try FileTarget.openExisting(path: path), journal: journal,
            position: resumed ?? 0, compares: true, partial: nil)
    }

    private static func newFile(
        _ path: String, _ volume: PointBody.Volume, _ journal: RestoreJournal,
        _ options: RestoreOptions
    ) throws(LifeboatError) -> RestoreTarget {
        let partial = path + partialEnding
        if Files.exists(partial) {
            guard options.resumes else {
                throw LifeboatError(
                    .exists, "an interrupted restore left its file here", subject: partial,
                    advice: "go on with --resume, or remove that file")
            }
            let file = try File(path: partial, access: .readWrite)
            if try file.size() != volume.size { try file.truncate(to: volume.size) }
            return RestoreTarget(
                target: try FileTarget.openExisting(path: partial), journal: journal,
                position: journal.position ?? 0, compares: true, partial: (partial, path))
        }
        // The file of the restore that the journal told of is gone.
        journal.remove()
        return RestoreTarget(
            target: try FileTarget.createNew(path: partial, size: volume.size), journal: journal,
            position: 0, compares: false, partial: (partial, path))
    }

    // MARK: images and exports

    private static func image(
        _ path: String, _ format: ImageFormat, _ volume: PointBody.Volume,
        _ journal: RestoreJournal, _ options: RestoreOptions
    ) throws(LifeboatError) -> RestoreTarget {
        try refuseResuming(path, options)
        journal.remove()
        guard Files.exists(path) else {
            let partial = path + partialEnding
            guard !Files.exists(partial) else {
                throw LifeboatError(
                    .exists, "an interrupted restore left its image here", subject: partial,
                    advice: "remove it")
            }
            let target = try ImageTarget.createNew(
                path: partial, format: format, size: volume.size)
            return RestoreTarget(
                target: target, journal: journal, position: 0, compares: false,
                partial: (partial, path))
        }
        guard options.isInPlace else {
            throw LifeboatError(
                .exists, "the target exists already", subject: path,
                advice: "give another name, or --in-place to make the disk in it what the point "
                    + "holds")
        }
        let target = try ImageTarget.openExisting(path: path, format: format)
        try checkSize(
            target, volume, advice: "make it larger first: qemu-img resize \(path) \(volume.size)")
        return RestoreTarget(
            target: target, journal: journal, position: 0, compares: true, partial: nil)
    }

    private static func export(
        _ uri: String, _ volume: PointBody.Volume, _ journal: RestoreJournal,
        _ options: RestoreOptions
    ) throws(LifeboatError) -> RestoreTarget {
        try refuseResuming(uri, options)
        journal.remove()
        let target = try NBDTarget(uri: uri)
        try checkSize(target, volume, advice: nil)
        if !options.isInPlace {
            let isEmpty = try looksEmpty(size: target.size) { offset, room throws(LifeboatError) in
                _ = try target.read(at: offset, into: room)
            }
            guard isEmpty else {
                throw LifeboatError(
                    .refused, "the NBD export is not empty", subject: uri,
                    advice: "give --in-place if what is on it may be overwritten")
            }
        }
        return RestoreTarget(
            target: target, journal: journal, position: 0, compares: true, partial: nil)
    }

    private static func refuseResuming(
        _ target: String, _ options: RestoreOptions
    ) throws(LifeboatError) {
        guard options.resumes else { return }
        throw LifeboatError(
            .refused, "a restore to an image or an NBD export cannot be resumed", subject: target,
            advice: "give --in-place instead, which writes only what differs")
    }

    private static func checkSize(
        _ target: any VolumeWriter, _ volume: PointBody.Volume, advice: String?
    ) throws(LifeboatError) {
        guard target.size < volume.size else { return }
        throw LifeboatError(
            .refused, "the target has \(target.size) bytes, the volume needs \(volume.size)",
            subject: target.name, advice: advice)
    }

    /// Whether the first and the last MiB of a device are zero, where file systems, partition
    /// tables and volume managers leave their marks.
    private static func looksEmpty(_ file: File) throws(LifeboatError) -> Bool {
        try looksEmpty(size: try file.size()) { offset, room throws(LifeboatError) in
            _ = try file.read(at: offset, into: room)
        }
    }

    private static func looksEmpty(
        size: UInt64,
        _ read: (UInt64, UnsafeMutableRawBufferPointer) throws(LifeboatError) -> Void
    ) throws(LifeboatError) -> Bool {
        let length = min(size, 1 << 20)
        var bytes = [UInt8](repeating: 0, count: Int(length))
        for offset in [0, size - length] {
            try bytes.withMutableBytes { raw throws(LifeboatError) in try read(offset, raw) }
            if bytes.contains(where: { $0 != 0 }) { return false }
        }
        return true
    }

    /// Gives a new file its name, and forgets the journal.
    func complete() throws(LifeboatError) {
        try image?.close()
        if let partial {
            try Files.renameNew(from: partial.from, to: partial.to)
            try Files.syncDirectory(Files.parent(of: partial.to))
        }
        journal.remove()
    }
}
