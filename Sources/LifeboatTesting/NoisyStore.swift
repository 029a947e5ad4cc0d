public import LifeboatCore
public import LifeboatStore
internal import LifeboatSystem

/// A store behind a network that changes bits on their way to the reader, in front of another one.
public final class NoisyStore: ObjectStore {
    private let inner: any ObjectStore
    private let isChanged: @Sendable (ObjectName, Int) -> Bool
    private let readings = Guarded<[ObjectName: Int]>([:])
    private let changes = Guarded(0)

    /// `isChanged`: whether the n-th reading of an object, from 1, comes with another bit; with a
    /// different one each time.
    public init(
        _ inner: any ObjectStore, isChanged: @escaping @Sendable (ObjectName, Int) -> Bool
    ) {
        self.inner = inner
        self.isChanged = isChanged
    }

    /// How many readings were changed.
    public var changeCount: Int { changes.withLock { $0 } }

    public var location: String { inner.location }
    public var capabilities: StoreCapabilities { inner.capabilities }
    public let parallelRequests = 4

    public func put(
        _ name: ObjectName, _ pieces: [UnsafeRawBufferPointer]
    ) throws(LifeboatError) {
        try inner.put(name, pieces)
    }

    public func get(_ name: ObjectName, limit: Int) throws(LifeboatError) -> [UInt8] {
        var bytes = try inner.get(name, limit: limit)
        if let bit = nextChange(name, bytes.count) { bytes[bit / 8] ^= 1 << UInt8(bit % 8) }
        return bytes
    }

    public func read(
        _ name: ObjectName, at offset: UInt64, into target: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError) -> Int {
        let count = try inner.read(name, at: offset, into: target)
        if let bit = nextChange(name, count) { target[bit / 8] ^= 1 << UInt8(bit % 8) }
        return count
    }

    public func size(_ name: ObjectName) throws(LifeboatError) -> UInt64? {
        try inner.size(name)
    }

    public func list(
        _ prefix: String, _ body: (ObjectName, UInt64) throws(LifeboatError) -> Void
    ) throws(LifeboatError) {
        try inner.list(prefix, body)
    }

    public func delete(_ name: ObjectName) throws(LifeboatError) { try inner.delete(name) }

    /// The bit of this reading that comes otherwise.
    private func nextChange(_ name: ObjectName, _ count: Int) -> Int? {
        let number = readings.withLock { readings in
            readings[name, default: 0] += 1
            return readings[name, default: 0]
        }
        guard count > 0, isChanged(name, number) else { return nil }
        changes.withLock { $0 += 1 }
        return (count * 4 + number) % (count * 8)
    }
}
