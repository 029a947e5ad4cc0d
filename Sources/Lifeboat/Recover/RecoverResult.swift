public import LifeboatCore

/// What a recovery did, or would do.
public struct RecoverResult: Sendable {
    /// One machine.
    public struct Machine: Sendable {
        /// Its name in the point, and here.
        public var original: String
        public var name: String
        public var uuid: String
        /// `planned`, `defined`, `running`, `rolled back`, `failed`.
        public var state: String
        /// What kept it from coming back, where others of the same command did.
        public var fault: LifeboatError?
        public var volumes: [VolumeRestoreResult] = []
        public var checks: [RecoveryCheckResult] = []
        /// What is otherwise than it was.
        public var warnings: [String] = []
        /// Seconds from the beginning of the command: `planned`, `started`, `ready`, `pulled`.
        public var phases: [String: Double] = [:]

        init(original: String, name: String, uuid: String) {
            self.original = original
            self.name = name
            self.uuid = uuid
            state = "planned"
        }
    }

    public var point: Digest
    public var machines: [Machine]
    /// What would keep it from being done, in a dry run.
    public var obstacles: [String] = []
    public var isDryRun = false
    public var durationSeconds = 0.0

    /// Whether all is as it was asked for.
    public var isWhole: Bool {
        obstacles.isEmpty
            && machines.allSatisfy { $0.fault == nil && $0.checks.allSatisfy(\.isPassed) }
    }
}
