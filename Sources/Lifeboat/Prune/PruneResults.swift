public import LifeboatCore

/// How to prune.
public struct PruneOptions: Sendable {
    /// Percent of all stored bytes that may be dead space.
    public var maximumUnused = 5
    public var isDryRun = false
    public var memory: UInt64 = 256 << 20
    public var threads = 0
    public init() {}
}

/// A session that collection waits for.
public struct WaitedSession: Sendable {
    public var session: Identifier
    public var member: Identifier
    public var label: String?
    public var incarnation: Identifier
    /// Milliseconds since 1970.
    public var since: UInt64
}

/// What a step of collection found and did.
public struct PruneResult: Sendable {
    public var condemnedObjects = 0
    public var condemnedBytes: UInt64 = 0
    public var releasedObjects = 0
    public var deletedObjects = 0
    public var deletedBytes: UInt64 = 0
    public var waitsFor: [WaitedSession] = []
    public var packs = 0
    public var bytesStored: UInt64 = 0
    public var bytesLive: UInt64 = 0
    public var bytesHeld: UInt64 = 0
    public var repackedPacks = 0
    public var repackedBytes: UInt64 = 0
    public var mergedRuns = 0
    /// Distinct nodes of block maps that were read to find what is needed.
    public var nodesVisited: UInt64 = 0
    public var deletedLogEntries = 0
    public var checkpoint: UInt64?
    public var notes: [String] = []
    public var durationSeconds: Double = 0
    public init() {}
}
