public import LifeboatCore

/// What `lock extend` did.
public struct LockExtensionResult: Sendable {
    /// Milliseconds since 1970: until then everything that points need is locked.
    public var until: UInt64
    /// What has to stay locked.
    public var objects = 0
    public var bytes: UInt64 = 0
    /// Of these, whose locks were made longer; the others were locked for as long already.
    public var extendedObjects = 0
    /// What could not be locked, and why the first of them.
    public var failedObjects = 0
    public var failure: LifeboatError?

    public init(until: UInt64) { self.until = until }
}

/// What `lock status` tells.
public struct LockStatusResult: Sendable {
    /// For how long the repository locks what is put; milliseconds, 0 for not at all.
    public var duration: UInt64
    /// What has to stay locked.
    public var objects = 0
    public var bytes: UInt64 = 0
    /// Of these, how many the store was asked about.
    public var askedObjects = 0
    public var unlockedObjects = 0
    /// The lock that ends first; milliseconds since 1970.
    public var firstEnd: UInt64?
    /// What the logs name and the store does not have.
    public var missingObjects = 0
    /// What somebody deleted or overwrote, by name.
    public var meddled: [Meddled] = []

    /// An object whose first version is hidden.
    public struct Meddled: Hashable, Sendable {
        public var name: String
        public var isDeleted: Bool
        public var otherVersions: Int
    }

    public init(duration: UInt64) { self.duration = duration }
}

/// What `lock restore` did.
public struct LockRestorationResult: Sendable {
    /// What is in plain sight again.
    public var restoredObjects = 0
    /// What stays hidden, because what hides it is locked itself.
    public var hiddenObjects = 0

    public init() {}
}
