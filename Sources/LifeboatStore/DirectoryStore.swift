public import LifeboatCore
internal import LifeboatSystem

/// A store in a directory of a file system: an object is a file of the same relative name.
///
/// - A new object is written under `tmp/`, made durable, then linked into place without replacing;
///   so a name leads to a whole object or to nothing, and of racing writers one wins.
/// - Folders are made as needed, and their names are durable before `put` returns.
public final class DirectoryStore: ObjectStore {
    /// The directory.
    public let location: String
    public let capabilities = StoreCapabilities()
    /// Folders whose own names are known to be durable, all the way up to `location`.
    private let durableFolders = Guarded<Set<String>>([])
    /// Aligned room for direct reads: the largest frame and what aligning adds.
    private static let directByteCount = (4 << 20) + (64 << 10)
    private let directBuffers = BufferPool(count: 2, capacity: directByteCount)

    /// Opens the store in a directory; nothing is checked or made until it is used.
    public init(path: String) {
        location = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    }

    /// Makes the directory, durably, if it is not there.
    public static func create(path: String) throws(LifeboatError) -> DirectoryStore {
        let store = DirectoryStore(path: path)
        try Files.makeDirectories(store.location)
        // The folders above may be as new as this one.
        var folder = Files.realPath(store.location) ?? store.location
        while true {
            // The names above are not ours to make durable where we may not even look.
            do throws(LifeboatError) { try Files.syncDirectory(folder) } catch {
                guard error.code == .denied, folder != store.location else { throw error }
            }
            let above = Files.parent(of: folder)
            if above == folder { return store }
            folder = above
        }
    }

    public func put(
        _ name: ObjectName, _ pieces: [UnsafeRawBufferPointer]
    ) throws(LifeboatError) {
        // Spare the writing; the link below is what decides.
        if Files.exists(file(name)) { throw taken(name) }
        let temporary = try TemporaryObject(in: temporaries)
        if try !writeDirectly(pieces, to: temporary) {
            for piece in pieces { try temporary.file.append(piece) }
        }
        try temporary.file.sync()
        try prepareFolder(name.folder)
        do throws(LifeboatError) {
            try temporary.move(to: file(name))
        } catch {
            switch error.code {
            case .exists: throw taken(name)
            case .missing:
                // Somebody removed the folder since it was last used.
                durableFolders.withLock { $0 = [] }
                try prepareFolder(name.folder)
                try temporary.move(to: file(name))
            default: throw error
            }
        }
        try Files.syncDirectory(Files.parent(of: file(name)))
    }

    public func get(_ name: ObjectName, limit: Int) throws(LifeboatError) -> [UInt8] {
        try Files.readWhole(file(name), limit: limit)
    }

    public func read(
        _ name: ObjectName, at offset: UInt64, into target: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError) -> Int {
        let source = try File(path: file(name), access: .read)
        if target.count > Self.bufferedByteCount {
            if let count = source.readCached(at: offset, into: target) { return count }
            if let count = readDirectly(source.path, at: offset, into: target) { return count }
        }
        return try source.read(at: offset, into: target)
    }

    public func size(_ name: ObjectName) throws(LifeboatError) -> UInt64? {
        try Files.size(file(name))
    }

    public func delete(_ name: ObjectName) throws(LifeboatError) {
        do throws(LifeboatError) {
            try Files.remove(file(name))
        } catch {
            if error.code != .missing { throw error }
        }
    }

    public func replace(_ name: ObjectName, bytes: [UInt8]) throws(LifeboatError) {
        let temporary = try TemporaryObject(in: temporaries)
        let buffer = Buffer(capacity: bytes.count)
        buffer.storage.copyBytes(from: bytes)
        buffer.count = bytes.count
        defer { withExtendedLifetime(buffer) {} }
        try temporary.file.append(buffer.bytes)
        try temporary.file.sync()
        try prepareFolder(name.folder)
        try temporary.move(onto: file(name))
        try Files.syncDirectory(Files.parent(of: file(name)))
    }

    /// Removes what writers that died have left under `tmp/`; returns how many files.
    public func cleanTemporaries() throws(LifeboatError) -> Int {
        try TemporaryObject.clean(in: temporaries)
    }

    /// Writes a large object that lies aligned in memory past the page cache.
    private func writeDirectly(
        _ pieces: [UnsafeRawBufferPointer], to temporary: TemporaryObject
    ) throws(LifeboatError) -> Bool {
        guard pieces.count == 1, pieces[0].count >= DirectWriter.leastByteCount,
            let writer = DirectWriter(path: temporary.file.path)
        else { return false }
        return try writer.write(at: 0, pieces[0])
    }

    /// Larger reads go past the page cache, unless it has them: what is restored is read once, and
    /// filling the cache with it costs as much as decrypting it.
    private static let bufferedByteCount = 1 << 20

    /// `nil` where the file system does not take direct reads.
    private func readDirectly(
        _ path: String, at offset: UInt64, into target: UnsafeMutableRawBufferPointer
    ) -> Int? {
        let mask = UInt64(DirectWriter.alignment - 1)
        let start = offset & ~mask
        let length = Int(((offset + UInt64(target.count) + mask) & ~mask) - start)
        guard let direct = try? File(path: path, access: .readDirect) else { return nil }
        let pooled = length <= Self.directByteCount ? directBuffers.takeIfFree() : nil
        defer { if let pooled { directBuffers.give(pooled) } }
        let buffer = pooled ?? Buffer(capacity: length)
        let room = UnsafeMutableRawBufferPointer(rebasing: buffer.storage[0..<length])
        guard let got = try? direct.read(at: start, into: room) else { return nil }
        let skipped = Int(offset - start)
        let count = min(target.count, max(0, got - skipped))
        UnsafeMutableRawBufferPointer(rebasing: target[0..<count]).copyMemory(
            from: UnsafeRawBufferPointer(
                rebasing: UnsafeRawBufferPointer(room)[skipped..<skipped + count]))
        return count
    }

    private var temporaries: String { location + "/tmp" }

    func file(_ name: ObjectName) -> String { "\(location)/\(name.path)" }

    private func taken(_ name: ObjectName) -> LifeboatError {
        LifeboatError(.exists, "\(file(name)) exists already", subject: name.path)
    }

    /// Makes a folder and its name durable, once in the life of this object.
    ///
    /// A folder that is there may have been made by a writer that lost power before syncing it.
    private func prepareFolder(_ folder: String) throws(LifeboatError) {
        guard !folder.isEmpty, !durableFolders.withLock({ $0.contains(folder) }) else { return }
        let path = "\(location)/\(folder)"
        guard Files.exists(location) else {
            throw LifeboatError(.missing, "\(location) is not there", subject: location)
        }
        try Files.makeDirectories(path)
        var current = path
        while current != location {
            current = Files.parent(of: current)
            try Files.syncDirectory(current)
        }
        durableFolders.withLock { _ = $0.insert(folder) }
    }
}
