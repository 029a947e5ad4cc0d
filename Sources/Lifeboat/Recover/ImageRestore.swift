import LifeboatArchive
import LifeboatCore
import LifeboatFormat
import LifeboatSystem
import LifeboatVolume

/// Writes one volume of a point to an image file.
struct ImageRestore {
    let source: RecoverySource
    let volume: PointBody.Volume
    let path: String
    let format: ImageFormat

    private var partial: String { path + RestoreTarget.partialEnding }
    private var journal: RestoreJournal {
        RestoreJournal(
            source.repository.directories, target: path, point: source.point.id,
            volume: volume.name)
    }

    /// Makes a new image; it gets its name when it is whole.
    func makeNew() throws(LifeboatError) -> VolumeRestoreResult {
        let resumes = source.options.resumes && Files.exists(partial)
        let position = resumes ? journal.position ?? 0 : 0
        if !resumes { try create() }
        let result = try write(partial, isNew: !resumes, from: position)
        try Files.renameNew(from: partial, to: path)
        try Files.syncDirectory(Files.parent(of: path))
        journal.remove()
        return result
    }

    /// Makes an image that is there what the point holds; only what differs is written.
    func rollBack() throws(LifeboatError) -> VolumeRestoreResult {
        let position = source.options.resumes ? journal.position ?? 0 : 0
        let result = try write(path, isNew: false, from: position)
        journal.remove()
        return result
    }

    /// Finds out whether an image that has its name already is the one of an interrupted recovery.
    ///
    /// - Throws: `.exists` where it is anything else.
    func expectWhole() throws(LifeboatError) {
        do throws(LifeboatError) {
            let (target, server) = try open(path, isNew: false)
            defer { server?.close() }
            guard target.size == volume.size else {
                throw LifeboatError(.damaged, "its size is another")
            }
            _ = try source.restore(volume).verify(target)
        } catch {
            guard error.code == .damaged else { throw error }
            throw LifeboatError(
                .exists, "\(path) exists, and is not what the point holds", subject: path,
                cause: error.message)
        }
    }

    /// Removes what a recovery that cannot be gone on with has made.
    func discard() {
        for path in [partial, path] where Files.exists(path) { try? Files.remove(path) }
        journal.remove()
    }

    private func create() throws(LifeboatError) {
        guard !Files.exists(partial) else {
            throw LifeboatError(
                .exists, "an interrupted recovery left its file here", subject: partial,
                advice: "go on with --resume, or remove that file")
        }
        journal.remove()
        switch format {
        case .raw: _ = try FileTarget.createNew(path: partial, size: volume.size)
        default: try ImageTool.createNew(partial, format: format, size: volume.size)
        }
    }

    private func open(
        _ file: String, isNew: Bool
    ) throws(LifeboatError) -> (any VolumeWriter, ImageServer?) {
        if format == .raw { return (try FileTarget.openExisting(path: file), nil) }
        let image = try ImageServer(path: file, format: format, isWritable: true)
        return (try NBDTarget(uri: image.uri, startsZeroed: isNew), image)
    }

    private func write(
        _ file: String, isNew: Bool, from first: UInt64
    ) throws(LifeboatError) -> VolumeRestoreResult {
        let start = Clock.monotonicSeconds()
        let restore = source.restore(volume)
        var result = VolumeRestoreResult(
            name: volume.name, target: path, size: volume.size, bytesWritten: 0, bytesFetched: 0,
            bytesMatching: 0, bytesVerified: 0, writeSeconds: 0, verifySeconds: 0,
            bytesResumed: min(volume.size, first * restore.chunkSize))
        let (target, server) = try open(file, isNew: isNew)
        defer { server?.close() }
        guard target.size >= volume.size else {
            throw LifeboatError(
                .refused,
                "\(path) has \(target.size) bytes, and the volume \(volume.size)", subject: path)
        }
        let journal = journal
        if let fault = try journal.begin(first) {
            source.operations.events.tell(
                .warning("an interruption cannot be resumed where it was: \(fault.description)"))
        }
        try restore.write(to: target, from: first, compares: !isNew) {
            position throws(LifeboatError) in
            try target.sync()
            // What an earlier note says holds as well; a full disk here is no reason to stop.
            try? journal.note(position)
        }
        try target.sync()
        result.writeSeconds = Clock.monotonicSeconds() - start
        result.bytesWritten = restore.totals.written
        result.bytesFetched = restore.totals.fetched
        result.bytesMatching = restore.totals.matching
        if let error = restore.lost.error(target: file) { throw error }
        if source.options.verifies {
            let begin = Clock.monotonicSeconds()
            target.dropCache()
            result.bytesVerified = try restore.verify(target)
            result.verifySeconds = Clock.monotonicSeconds() - begin
        }
        return result
    }
}
