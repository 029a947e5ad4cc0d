/// What a store can be relied on for.
public struct StoreCapabilities: Sendable, Hashable, Codable {
    /// How a store makes sure that bytes did not change on their way to it.
    public enum PayloadCheck: String, Sendable, Hashable, Codable, CaseIterable {
        /// It takes what arrives.
        case none
        /// It compares the MD5 that comes with a put.
        case md5
        /// It compares the SHA-256 that comes with a put.
        case sha256
    }

    /// Of writers that race for a name exactly one wins.
    public var conditionalPut: Bool
    /// A part of an object costs about what its bytes cost.
    public var rangeReads: Bool
    /// Objects can be deleted.
    public var deletes: Bool
    /// The largest object that it takes; `nil` without a limit.
    public var maximumObjectBytes: UInt64?
    /// Whether it refuses what changed on the way.
    public var payloadCheck: PayloadCheck
    /// Listings come in the order of names.
    public var orderedListing: Bool
    /// It keeps what was replaced or deleted as older versions.
    public var versioning: Bool
    /// It can keep objects from being deleted for a time.
    public var objectLock: Bool

    public init(
        conditionalPut: Bool = true, rangeReads: Bool = true, deletes: Bool = true,
        maximumObjectBytes: UInt64? = nil, payloadCheck: PayloadCheck = .none,
        orderedListing: Bool = true, versioning: Bool = false, objectLock: Bool = false
    ) {
        self.conditionalPut = conditionalPut
        self.rangeReads = rangeReads
        self.deletes = deletes
        self.maximumObjectBytes = maximumObjectBytes
        self.payloadCheck = payloadCheck
        self.orderedListing = orderedListing
        self.versioning = versioning
        self.objectLock = objectLock
    }
}
