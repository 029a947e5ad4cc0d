public import LifeboatCore

/// A place for immutable objects under names.
///
/// Safe from many threads.
public protocol ObjectStore: Sendable {
    /// Where it is, for messages.
    var location: String { get }
    /// What it can be relied on for, as far as it is known.
    var capabilities: StoreCapabilities { get }
    /// When a store that must be asked was asked for `capabilities`, in milliseconds since 1970.
    ///
    /// `nil` where it was not yet, and where nothing need be asked.
    var probeTime: UInt64? { get }

    /// What locks objects here; `nil` where nothing can.
    var locking: (any ObjectLocking)? { get }

    /// How many requests at once are worth while; more than 1 where each waits for a network.
    var parallelRequests: Int { get }

    /// Asks the store what it can be relied on for, even if that is known.
    func probe() throws(LifeboatError)

    /// Puts a new object, all of it or nothing; durable when it returns.
    ///
    /// `.exists` if the name is taken, and what is there stays; `.full` without space, and then
    /// nothing is left behind. After any other error the object may or may not be there.
    func put(_ name: ObjectName, _ pieces: [UnsafeRawBufferPointer]) throws(LifeboatError)

    /// The same, for who knows the SHA-256 of all pieces in a row; it saves computing it again.
    func put(
        _ name: ObjectName, _ pieces: [UnsafeRawBufferPointer], contentDigest: Digest
    ) throws(LifeboatError)

    /// The whole object; `.missing`, or `.damaged` if it is larger than `limit` bytes.
    func get(_ name: ObjectName, limit: Int) throws(LifeboatError) -> [UInt8]

    /// Fills `target` from `offset` on; the result is smaller only at the end of the object.
    func read(
        _ name: ObjectName, at offset: UInt64, into target: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError) -> Int

    /// The bytes of an object; `nil` when it is not there.
    func size(_ name: ObjectName) throws(LifeboatError) -> UInt64?

    /// Fills `target` with the first bytes of an object, and tells how many there are and how many
    /// the whole object has; `nil` when it is not there.
    func readBeginning(
        _ name: ObjectName, into target: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError) -> (count: Int, size: UInt64)?

    /// As `size`, for who goes on to read the object's beginning and its end: behind a network
    /// both may come with the answer.
    func sizeAndEnds(_ name: ObjectName) throws(LifeboatError) -> UInt64?

    /// Tells every object whose name starts with `prefix`, and its size, in name order within each
    /// directory. Temporaries are not told.
    func list(
        _ prefix: String, _ body: (ObjectName, UInt64) throws(LifeboatError) -> Void
    ) throws(LifeboatError)

    /// Deletes an object; one that is gone already is no error.
    func delete(_ name: ObjectName) throws(LifeboatError)

    /// Deletes many objects, with few requests where the store allows it.
    ///
    /// After an error each of them may or may not be there.
    func delete(_ names: [ObjectName]) throws(LifeboatError)

    /// Drops what is kept of an object's bytes, so that the next reading asks the store: what came
    /// of the last one was wrong.
    func forget(_ name: ObjectName)

    /// Removes what writers that died have left beside the objects; returns how many things.
    func cleanTemporaries() throws(LifeboatError) -> Int

    /// Puts the right bytes in the place of an object that was found damaged, or puts them anew.
    ///
    /// For repairs only. In one step where the store can; else by deleting and putting, and who is
    /// interrupted in between leaves nothing under the name.
    func replace(_ name: ObjectName, bytes: [UInt8]) throws(LifeboatError)
}

extension ObjectStore {
    public var probeTime: UInt64? { nil }

    public var locking: (any ObjectLocking)? { nil }

    public var parallelRequests: Int { 1 }

    public func probe() throws(LifeboatError) {}

    public func forget(_ name: ObjectName) {}

    public func readBeginning(
        _ name: ObjectName, into target: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError) -> (count: Int, size: UInt64)? {
        guard let size = try size(name) else { return nil }
        return (try read(name, at: 0, into: target), size)
    }

    public func sizeAndEnds(_ name: ObjectName) throws(LifeboatError) -> UInt64? {
        try size(name)
    }

    public func put(
        _ name: ObjectName, _ pieces: [UnsafeRawBufferPointer], contentDigest: Digest
    ) throws(LifeboatError) {
        try put(name, pieces)
    }

    public func delete(_ names: [ObjectName]) throws(LifeboatError) {
        for name in names { try delete(name) }
    }

    public func cleanTemporaries() throws(LifeboatError) -> Int { 0 }

    public func replace(_ name: ObjectName, bytes: [UInt8]) throws(LifeboatError) {
        try delete(name)
        try put(name, bytes: bytes)
    }

    /// Puts a new object from an array.
    public func put(_ name: ObjectName, bytes: [UInt8]) throws(LifeboatError) {
        try bytes.withBytes { buffer throws(LifeboatError) in try put(name, [buffer]) }
    }

    /// Puts a new object from an array whose SHA-256 is known.
    public func put(
        _ name: ObjectName, bytes: [UInt8], contentDigest: Digest
    ) throws(LifeboatError) {
        try bytes.withBytes { buffer throws(LifeboatError) in
            try put(name, [buffer], contentDigest: contentDigest)
        }
    }
}
