public import LifeboatCore

/// What a store can be relied on for.
public struct StoreCapabilities: Sendable, Hashable {
    /// Of writers that race for a name exactly one wins.
    public var conditionalPut: Bool
    /// A part of an object costs about what its bytes cost.
    public var rangeReads: Bool
    /// Objects can be deleted.
    public var deletes: Bool
    /// The largest object that it takes; `nil` without a limit.
    public var maximumObjectBytes: UInt64?

    public init(
        conditionalPut: Bool = true, rangeReads: Bool = true, deletes: Bool = true,
        maximumObjectBytes: UInt64? = nil
    ) {
        self.conditionalPut = conditionalPut
        self.rangeReads = rangeReads
        self.deletes = deletes
        self.maximumObjectBytes = maximumObjectBytes
    }
}

/// A place for immutable objects under names.
///
/// Safe from many threads.
public protocol ObjectStore: Sendable {
    /// Where it is, for messages.
    var location: String { get }
    /// What it can be relied on for.
    var capabilities: StoreCapabilities { get }

    /// Puts a new object, all of it or nothing; durable when it returns.
    ///
    /// `.exists` if the name is taken, and what is there stays; `.full` without space, and then
    /// nothing is left behind. After any other error the object may or may not be there.
    func put(_ name: ObjectName, _ pieces: [UnsafeRawBufferPointer]) throws(LifeboatError)

    /// The whole object; `.missing`, or `.damaged` if it is larger than `limit` bytes.
    func get(_ name: ObjectName, limit: Int) throws(LifeboatError) -> [UInt8]

    /// Fills `target` from `offset` on; the result is smaller only at the end of the object.
    func read(
        _ name: ObjectName, at offset: UInt64, into target: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError) -> Int

    /// The bytes of an object; `nil` when it is not there.
    func size(_ name: ObjectName) throws(LifeboatError) -> UInt64?

    /// Tells every object whose name starts with `prefix`, and its size, in name order within each
    /// directory. Temporaries are not told.
    func list(
        _ prefix: String, _ body: (ObjectName, UInt64) throws(LifeboatError) -> Void
    ) throws(LifeboatError)

    /// Deletes an object; one that is gone already is no error.
    func delete(_ name: ObjectName) throws(LifeboatError)

    /// Puts the right bytes in the place of an object that was found damaged, or puts them anew.
    ///
    /// For repairs only. In one step where the store can; else by deleting and putting, and who is
    /// interrupted in between leaves nothing under the name.
    func replace(_ name: ObjectName, bytes: [UInt8]) throws(LifeboatError)
}

extension ObjectStore {
    public func replace(_ name: ObjectName, bytes: [UInt8]) throws(LifeboatError) {
        try delete(name)
        try put(name, bytes: bytes)
    }

    /// Puts a new object from an array.
    public func put(_ name: ObjectName, bytes: [UInt8]) throws(LifeboatError) {
        let result = bytes.withUnsafeBytes { buffer -> Result<Void, LifeboatError> in
            do throws(LifeboatError) {
                try put(name, [buffer])
                return .success(())
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }
}
