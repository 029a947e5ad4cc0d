import Foundation
public import LifeboatCore

/// What a guardian is told when it is started.
public struct GuardianOrders: Sendable, Equatable, Codable {
    /// A guest to look after.
    public struct Guest: Sendable, Equatable, Codable {
        /// Its index in the group.
        public var index: Int
        public var name: String
        /// Where its agent is reached.
        public var address: GuestAgentAddress
        /// Where the machine itself is reached; that is what resuming needs.
        public var machine: MachineAddress?
        /// It is thawed so many seconds after the guardian is ready.
        public var deadlineSeconds: Double
        /// Whether it is paused instead of frozen.
        public var isPaused: Bool

        public init(
            index: Int, name: String, address: GuestAgentAddress,
            machine: MachineAddress? = nil, deadlineSeconds: Double, isPaused: Bool
        ) {
            self.index = index
            self.name = name
            self.address = address
            self.machine = machine
            self.deadlineSeconds = deadlineSeconds
            self.isPaused = isPaused
        }
    }

    public var guests: [Guest]
    /// What is to be ended where the run dies before it has done so.
    public var snapshots: [SnapshotRemains]
    /// Where alarms are left for the next run.
    public var runDirectory: String
    /// The process that freezes.
    public var parent: Int32
    /// A freeze that was never answered may happen so much later than the deadline.
    public var lingerSeconds: Double

    public init(
        guests: [Guest], snapshots: [SnapshotRemains] = [], runDirectory: String, parent: Int32,
        lingerSeconds: Double = 60
    ) {
        self.guests = guests
        self.snapshots = snapshots
        self.runDirectory = runDirectory
        self.parent = parent
        self.lingerSeconds = lingerSeconds
    }

    /// One line of JSON.
    var line: [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.withoutEscapingSlashes]
        // Every value of it can be encoded.
        return Array((try? encoder.encode(self)) ?? Data()) + [0x0A]
    }

    init(parsing line: [UInt8]) throws(LifeboatError) {
        do { self = try JSONDecoder().decode(Self.self, from: Data(line)) } catch {
            throw LifeboatError(.usage, "a guardian's orders cannot be read")
        }
    }
}

/// Something that starts guardians.
public protocol GuardianStarting: Sendable {
    /// Returns when the guardian is ready, or throws within the timeout.
    func start(
        _ orders: GuardianOrders, timeoutSeconds: Double
    ) throws(LifeboatError) -> any GuardianHandle
}

/// A guardian that is ready.
public protocol GuardianHandle: Sendable {
    /// Tells it which guests are known to run; it looks after the others for a while still.
    func release(running: [Int])
    /// Tells it that the run has ended its snapshots: nothing is left to be ended.
    func finish()
}
