public import LifeboatCore
internal import LifeboatSystem

/// A store that reads small parts of objects in larger blocks and keeps the last ones: for stores
/// behind a network, where every request waits for its answer.
///
/// - Blocks that follow each other are fetched several at once.
/// - Objects do not change, so a block is as good as the object; deleting one drops its blocks.
/// - What comes is believed nothing: `forget` drops blocks that turned out wrong.
public final class ReadAheadStore: ObjectStore {
    private let inner: any ObjectStore
    private let limit: Int
    private let cache = Guarded(Blocks())

    /// Parts that are larger go past the blocks: whoever reads them has planned ahead.
    private static let largestPart = 256 << 10
    static let blockByteCount = 128 << 10
    /// How many blocks in a row are fetched at once behind one that was read.
    static let runCount = 8
    /// What is fetched of an object whose end will be read: the directories of most packs fit.
    static let endByteCount: UInt64 = 512 << 10

    private struct BlockName: Hashable {
        let object: ObjectName
        let number: UInt64
    }

    private struct Blocks {
        var blocks: [BlockName: (bytes: [UInt8], used: UInt64)] = [:]
        var byteCount = 0
        var clock: UInt64 = 0
        /// How often blocks were dropped: what was fetched before is not kept after it.
        var drops: UInt64 = 0
    }

    /// `limit`: bytes of memory for blocks.
    public init(_ inner: any ObjectStore, limit: Int = 16 << 20) {
        self.inner = inner
        self.limit = limit
    }

    public var location: String { inner.location }
    public var capabilities: StoreCapabilities { inner.capabilities }
    public var probeTime: UInt64? { inner.probeTime }
    public var locking: (any ObjectLocking)? { inner.locking }
    public var parallelRequests: Int { inner.parallelRequests }
    public func probe() throws(LifeboatError) { try inner.probe() }

    public func put(
        _ name: ObjectName, _ pieces: [UnsafeRawBufferPointer]
    ) throws(LifeboatError) {
        try inner.put(name, pieces)
    }

    public func put(
        _ name: ObjectName, _ pieces: [UnsafeRawBufferPointer], contentDigest: Digest
    ) throws(LifeboatError) {
        try inner.put(name, pieces, contentDigest: contentDigest)
    }

    public func get(_ name: ObjectName, limit: Int) throws(LifeboatError) -> [UInt8] {
        try inner.get(name, limit: limit)
    }

    public func size(_ name: ObjectName) throws(LifeboatError) -> UInt64? {
        try inner.size(name)
    }

    public func readBeginning(
        _ name: ObjectName, into target: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError) -> (count: Int, size: UInt64)? {
        try inner.readBeginning(name, into: target)
    }

    public func sizeAndEnds(_ name: ObjectName) throws(LifeboatError) -> UInt64? {
        var bytes = [UInt8](repeating: 0, count: Self.blockByteCount)
        let drops = cache.withLock { $0.drops }
        var beginning: (count: Int, size: UInt64)?
        try bytes.withMutableBytes { raw throws(LifeboatError) in
            beginning = try inner.readBeginning(name, into: raw)
        }
        guard let (count, size) = beginning else { return nil }
        guard count == min(Self.blockByteCount, Int(clamping: size)) else { return size }
        keep(
            [(BlockName(object: name, number: 0), Array(bytes[..<count]))],
            unlessDroppedSince: drops)
        let blockSize = UInt64(Self.blockByteCount)
        let first = max(1, (size - min(size, Self.endByteCount)) / blockSize)
        let last = (size + blockSize - 1) / blockSize
        if first < last {
            _ = try fetch(BlockName(object: name, number: first), count: Int(last - first))
        }
        return size
    }

    public func list(
        _ prefix: String, _ body: (ObjectName, UInt64) throws(LifeboatError) -> Void
    ) throws(LifeboatError) {
        try inner.list(prefix, body)
    }

    public func delete(_ name: ObjectName) throws(LifeboatError) {
        drop([name])
        try inner.delete(name)
    }

    public func delete(_ names: [ObjectName]) throws(LifeboatError) {
        drop(Set(names))
        try inner.delete(names)
    }

    public func replace(_ name: ObjectName, bytes: [UInt8]) throws(LifeboatError) {
        drop([name])
        try inner.replace(name, bytes: bytes)
    }

    public func forget(_ name: ObjectName) {
        drop([name])
        inner.forget(name)
    }

    public func cleanTemporaries() throws(LifeboatError) -> Int { try inner.cleanTemporaries() }

    public func read(
        _ name: ObjectName, at offset: UInt64, into target: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError) -> Int {
        guard !target.isEmpty, target.count <= Self.largestPart,
            offset <= UInt64(Int64.max) - UInt64(target.count)
        else { return try inner.read(name, at: offset, into: target) }
        var done = 0
        while done < target.count {
            let position = offset + UInt64(done)
            let number = position / UInt64(Self.blockByteCount)
            let skipped = Int(position % UInt64(Self.blockByteCount))
            let rest = UnsafeMutableRawBufferPointer(rebasing: target[done...])
            let count = try copy(name, number, from: skipped, into: rest)
            done += count
            // A block that is not full is the object's last.
            if skipped + count < Self.blockByteCount { break }
        }
        return done
    }

    private func copy(
        _ object: ObjectName, _ number: UInt64, from start: Int,
        into target: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError) -> Int {
        let name = BlockName(object: object, number: number)
        var isNext = false
        let known = cache.withLock { cache -> [UInt8]? in
            cache.clock += 1
            isNext =
                number > 0
                && cache.blocks[BlockName(object: object, number: number - 1)] != nil
            if let block = cache.blocks[name] {
                cache.blocks[name] = (block.bytes, cache.clock)
                return block.bytes
            }
            return nil
        }
        let bytes: [UInt8]
        if let known {
            bytes = known
        } else {
            bytes = try fetch(name, count: isNext ? Self.runCount : 1)
        }
        let part = bytes.dropFirst(start).prefix(target.count)
        target.copyBytes(from: part)
        return part.count
    }

    /// Fetches blocks in a row, keeps them, and returns the first.
    private func fetch(_ first: BlockName, count: Int) throws(LifeboatError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count * Self.blockByteCount)
        var got = 0
        let drops = cache.withLock { $0.drops }
        try bytes.withMutableBytes { raw throws(LifeboatError) in
            got = try inner.read(
                first.object, at: first.number * UInt64(Self.blockByteCount), into: raw)
        }
        var blocks: [(name: BlockName, bytes: [UInt8])] = []
        for index in 0..<count {
            let start = index * Self.blockByteCount
            guard start < got || index == 0 else { break }
            let name = BlockName(object: first.object, number: first.number + UInt64(index))
            blocks.append((name, Array(bytes[start..<min(got, start + Self.blockByteCount)])))
        }
        keep(blocks, unlessDroppedSince: drops)
        return blocks[0].bytes
    }

    private func keep(
        _ blocks: [(name: BlockName, bytes: [UInt8])], unlessDroppedSince drops: UInt64
    ) {
        cache.withLock { cache in
            guard cache.drops == drops else { return }
            for (name, bytes) in blocks where cache.blocks[name] == nil {
                cache.clock += 1
                cache.blocks[name] = (bytes, cache.clock)
                cache.byteCount += bytes.count
            }
            guard cache.byteCount > limit else { return }
            // Half at once, so that looking for the oldest is seldom.
            for (name, block) in cache.blocks.sorted(by: { $0.value.used < $1.value.used }) {
                if cache.byteCount <= limit / 2 { break }
                cache.byteCount -= block.bytes.count
                cache.blocks[name] = nil
            }
        }
    }

    private func drop(_ names: Set<ObjectName>) {
        cache.withLock { cache in
            cache.drops += 1
            for (name, block) in cache.blocks where names.contains(name.object) {
                cache.byteCount -= block.bytes.count
                cache.blocks[name] = nil
            }
        }
    }
}
