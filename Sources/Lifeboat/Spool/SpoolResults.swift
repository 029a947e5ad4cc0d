public import LifeboatCore

/// A spool, and what waits in it.
public struct SpoolSummary: Hashable, Sendable {
    /// A point that waits to be sent.
    public struct Waiting: Hashable, Sendable {
        /// The id that it has in the spool.
        public var id: Digest
        /// When reading ended, milliseconds since 1970.
        public var time: UInt64
        public var packs: Int
        /// What it takes in the spool.
        public var bytes: UInt64
        /// Why it could not be sent; `nil` where that was not tried in vain.
        public var fault: String?

        public init(id: Digest, time: UInt64, packs: Int, bytes: UInt64, fault: String?) {
            self.id = id
            self.time = time
            self.packs = packs
            self.bytes = bytes
            self.fault = fault
        }
    }

    public var settings: SpoolSettings
    /// Whether a backup can use it: one that reached the store has prepared it.
    public var isPrepared: Bool
    public var bytesUsed: UInt64
    /// In the order in which they will be sent.
    public var points: [Waiting]

    public init(
        settings: SpoolSettings, isPrepared: Bool, bytesUsed: UInt64, points: [Waiting]
    ) {
        self.settings = settings
        self.isPrepared = isPrepared
        self.bytesUsed = bytesUsed
        self.points = points
    }
}

/// What `spool send` did.
public struct SpoolSendResult: Sendable {
    /// A point that the repository has now.
    public struct Sent: Sendable {
        /// The id that it had in the spool.
        public var local: Digest
        /// The id that it has in the repository.
        public var point: Digest
        public var packs: Int
        /// Bytes of packs that this run sent.
        public var bytesSent: UInt64

        public init(local: Digest, point: Digest, packs: Int, bytesSent: UInt64) {
            self.local = local
            self.point = point
            self.packs = packs
            self.bytesSent = bytesSent
        }
    }

    /// A point that could not be sent.
    public struct Failure: Sendable {
        public var local: Digest
        public var error: LifeboatError

        public init(local: Digest, error: LifeboatError) {
            self.local = local
            self.error = error
        }
    }

    public var sent: [Sent] = []
    public var failures: [Failure] = []
    public var durationSeconds: Double = 0

    public init() {}
}
