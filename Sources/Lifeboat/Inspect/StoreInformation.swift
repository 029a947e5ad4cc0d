import LifeboatCore
import LifeboatStore

/// What kind of store a repository is in, and what that can do.
public struct StoreInformation: Sendable {
    /// `directory`, `s3` or `swift`.
    public var kind: String
    /// When the store was asked; `nil` where it was not, and for directories, which need not be.
    public var probeTime: UInt64?
    /// `nil` for a store that was not asked yet.
    public var abilities: Abilities?

    /// What the store can be relied on for.
    public struct Abilities: Sendable {
        /// Of writers that race for a name exactly one wins.
        public var conditionalPut: Bool
        /// A part of an object costs about what its bytes cost.
        public var rangeReads: Bool
        /// Objects can be deleted with the credentials at hand.
        public var deletes: Bool
        /// Listings come in the order of names.
        public var orderedListing: Bool
        /// By what it finds changes on the way: `none`, `md5` or `sha256`.
        public var payloadCheck: String
        /// It keeps what was deleted as older versions.
        public var versioning: Bool
        /// It can keep objects from being deleted for a time.
        public var objectLock: Bool
        /// `nil` without a limit.
        public var maximumObjectBytes: UInt64?

        public init(
            conditionalPut: Bool, rangeReads: Bool, deletes: Bool, orderedListing: Bool,
            payloadCheck: String, versioning: Bool, objectLock: Bool, maximumObjectBytes: UInt64?
        ) {
            self.conditionalPut = conditionalPut
            self.rangeReads = rangeReads
            self.deletes = deletes
            self.orderedListing = orderedListing
            self.payloadCheck = payloadCheck
            self.versioning = versioning
            self.objectLock = objectLock
            self.maximumObjectBytes = maximumObjectBytes
        }
    }

    public init(kind: String, probeTime: UInt64?, abilities: Abilities?) {
        self.kind = kind
        self.probeTime = probeTime
        self.abilities = abilities
    }

    init(_ store: any ObjectStore) throws(LifeboatError) {
        let location = try StoreLocation(store.location)
        kind = location.kind
        probeTime = store.probeTime
        if case .directory = location {} else if probeTime == nil { return }
        let found = store.capabilities
        abilities = Abilities(
            conditionalPut: found.conditionalPut, rangeReads: found.rangeReads,
            deletes: found.deletes, orderedListing: found.orderedListing,
            payloadCheck: found.payloadCheck.rawValue, versioning: found.versioning,
            objectLock: found.objectLock, maximumObjectBytes: found.maximumObjectBytes)
    }
}
