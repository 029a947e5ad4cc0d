public import LifeboatCore

/// A store that cannot lock objects and holds a copy of a repository that wants them locked: it
/// is read, and nothing is put there.
public final class UnlockedCopy: ObjectStore {
    private let inner: any ObjectStore

    public init(_ inner: any ObjectStore) { self.inner = inner }

    public var location: String { inner.location }
    public var capabilities: StoreCapabilities { inner.capabilities }
    public var probeTime: UInt64? { inner.probeTime }
    public var parallelRequests: Int { inner.parallelRequests }
    public func probe() throws(LifeboatError) { try inner.probe() }

    public func put(
        _ name: ObjectName, _ pieces: [UnsafeRawBufferPointer]
    ) throws(LifeboatError) {
        throw LifeboatError(
            .refused, "this repository is immutable, and its store here cannot lock objects",
            subject: inner.location,
            advice: "write to the repository itself; copies elsewhere can only be read")
    }

    public func get(_ name: ObjectName, limit: Int) throws(LifeboatError) -> [UInt8] {
        try inner.get(name, limit: limit)
    }

    public func read(
        _ name: ObjectName, at offset: UInt64, into target: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError) -> Int {
        try inner.read(name, at: offset, into: target)
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
        try inner.sizeAndEnds(name)
    }

    public func forget(_ name: ObjectName) { inner.forget(name) }

    public func list(
        _ prefix: String, _ body: (ObjectName, UInt64) throws(LifeboatError) -> Void
    ) throws(LifeboatError) {
        try inner.list(prefix, body)
    }

    public func delete(_ name: ObjectName) throws(LifeboatError) { try inner.delete(name) }

    public func delete(_ names: [ObjectName]) throws(LifeboatError) { try inner.delete(names) }

    public func cleanTemporaries() throws(LifeboatError) -> Int { try inner.cleanTemporaries() }
}
