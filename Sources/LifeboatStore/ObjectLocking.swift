public import LifeboatCore

/// What a store can do that keeps objects from being deleted or changed for a time.
///
/// Of each name only the first version counts that was ever put: who puts another one over it, or
/// deletes it without saying which version, hides it from others, but not from here.
///
/// Safe from many threads.
public protocol ObjectLocking: Sendable {
    /// Whether the place where the objects are can do this at all.
    func locksObjects() throws(LifeboatError) -> Bool

    /// Locks what is put from now on.
    ///
    /// The first put asks the store whether it does that, and fails with `.refused` if not.
    func lockPuts(_ rule: LockRule)

    /// Until when an object is locked, milliseconds since 1970; `nil` when it is not.
    /// - Throws: `.missing` when there is no such object.
    func lockEnd(_ name: ObjectName) throws(LifeboatError) -> UInt64?

    /// Locks an object at least until then, milliseconds since 1970; returns whether that was
    /// longer than before.
    func extendLock(_ name: ObjectName, until: UInt64) throws(LifeboatError) -> Bool

    /// Deletes an object with all that is there under its name; returns until when it is locked,
    /// and then it stays, or `nil` when it is gone.
    func deleteUnlessLocked(_ name: ObjectName) throws(LifeboatError) -> UInt64?

    /// Tells what somebody deleted or overwrote, of all names that start with `prefix`.
    func listMeddled(
        _ prefix: String, _ body: (MeddledObject) throws(LifeboatError) -> Void
    ) throws(LifeboatError)

    /// Removes what hides the first version of an object; returns whether it is in plain sight now.
    ///
    /// What was put over it may be locked itself.
    func undoMeddling(_ name: ObjectName) throws(LifeboatError) -> Bool
}

/// Which puts are locked, and for how long.
public struct LockRule: Hashable, Sendable {
    /// Milliseconds from the put on.
    public var duration: UInt64
    /// What starts with one of these stays free.
    public var exemptPrefixes: [String]

    public init(duration: UInt64, exemptPrefixes: [String] = []) {
        self.duration = duration
        self.exemptPrefixes = exemptPrefixes
    }
}

/// An object whose first version somebody hid.
public struct MeddledObject: Hashable, Sendable {
    public var name: ObjectName
    /// Others find nothing under the name.
    public var isDeleted: Bool
    /// How many other versions there are with other bytes.
    public var otherVersions: Int

    public init(name: ObjectName, isDeleted: Bool, otherVersions: Int) {
        self.name = name
        self.isDeleted = isDeleted
        self.otherVersions = otherVersions
    }
}
