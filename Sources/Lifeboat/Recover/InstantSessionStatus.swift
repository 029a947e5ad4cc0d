import LifeboatArchive
public import LifeboatCore
import LifeboatMachine
import LifeboatSystem

/// How far a session of instant recovery is.
public struct InstantSessionStatus: Sendable {
    /// One of its machines.
    public struct Machine: Sendable {
        public var name: String
        public var uuid: String
        /// `running`, `waiting` for what it reads, `paused`, `off`, `gone`; `unknown` where the
        /// hypervisor does not answer.
        public var state: String
        public var disks: [Disk]
    }

    /// One of its disks.
    public struct Disk: Sendable {
        public var target: String
        public var path: String
        /// Bytes.
        public var size: UInt64
        /// Whether it needs nothing but itself; `nil` where that is not known.
        public var isWhole: Bool?
        /// How much of it was copied, from 0 to 1, while it is being copied.
        public var copied: Double?
    }

    public var session: String
    public var point: Digest
    /// The process that looks after it; `nil` when nobody does.
    public var keeper: Int32?
    /// Whether its machines are still being started.
    public var isStarting: Bool
    /// Where a process in the background writes what it does.
    public var log: String?
    public var machines: [Machine]

    /// `starting`, `kept`, or `abandoned`: nobody looks after it.
    public var state: String {
        keeper == nil ? "abandoned" : isStarting ? "starting" : "kept"
    }
}

extension Operations {
    /// All sessions of instant recovery, of this repository and host, that are not at their ends.
    public func instantSessions() throws(LifeboatError) -> [InstantSessionStatus] {
        let directories = try openRepository(readsOnly: true).directories
        var connections: [String: LibvirtConnection] = [:]
        var statuses: [InstantSessionStatus] = []
        for record in try InstantRecord.all(directories) {
            if connections[record.uri] == nil {
                connections[record.uri] = try? LibvirtConnection(uri: record.uri)
            }
            let isKept = InstantSession.isLocked(record, directories)
            let connection = connections[record.uri]
            statuses.append(
                InstantSessionStatus(
                    session: record.session, point: record.point,
                    keeper: isKept ? record.keeper : nil, isStarting: record.keeper == 0,
                    log: record.log,
                    machines: record.machines.map { Self.status($0, connection) }))
        }
        return statuses
    }

    private static func status(
        _ machine: InstantRecord.Machine, _ connection: LibvirtConnection?
    ) -> InstantSessionStatus.Machine {
        var status = InstantSessionStatus.Machine(
            name: machine.name, uuid: machine.uuid, state: "unknown",
            disks: machine.disks.map { .init(target: $0.target, path: $0.path, size: $0.size) })
        guard let connection else { return status }
        do throws(LifeboatError) {
            let guest = InstantDomain(try connection.domain(uuid: machine.uuid))
            status.state =
                switch try guest.condition() {
                case .running: "running"
                case .stopped: "waiting"
                case .paused: "paused"
                case .off: "off"
                }
            for index in status.disks.indices {
                let target = status.disks[index].target
                status.disks[index].isWhole = try? guest.isStandalone(target)
                if let progress = try? guest.progress(target), progress.total > 0 {
                    status.disks[index].copied = Double(progress.done) / Double(progress.total)
                }
            }
        } catch {
            if error.code == .missing { status.state = "gone" }
        }
        return status
    }
}
