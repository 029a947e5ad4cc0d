public import LifeboatCore
internal import LifeboatSystem
internal import LifeboatVolume

/// A domain of libvirt as a source of points.
///
/// A running one is read through a backup job in pull mode, with a checkpoint for the next time; one
/// that is shut off through QEMU's own NBD server. See `ProtectedMachine` for the order of calls.
public final class LibvirtMachine: ProtectedMachine {
    public let name: String
    public let platform: String
    let uri: String
    let address: HypervisorAddress
    let uuid: String
    let state: Guarded<State>

    /// One disk that is backed up.
    struct Disk: Sendable {
        var name: String
        var size: UInt64
        var format: String
        /// Its topmost image's path, where it is a file or device of this host.
        var path: String?
        var since: String?
        var base: SnapshotRequest.Base?
        var scratch: String
        var isTracked: Bool
        var notes: [String]
    }

    struct State: Sendable {
        var connection: LibvirtConnection
        var domain: LibvirtDomain
        var isActive: Bool
        var xml: DomainXML
        var request: SnapshotRequest?
        var disks: [Disk] = []
        /// Told with the first volume.
        var notes: [String] = []
        /// Whether a backup job may exist.
        var hasJob = false
        /// Whether the new checkpoint or bitmaps may exist.
        var hasSnapshot = false
        var watch: ScratchWatch?
        var failure: LifeboatError?
        var servers: [ImageServer] = []
        /// What follows is of domains on other hosts: the way to their sockets, the port of their
        /// server, whether they have a scratch folder, and how much room it had.
        var tunnel: SocketTunnel?
        var port: UInt64 = 0
        var hasFolder = false
        var freeBytes: UInt64 = .max
    }

    /// Finds a domain by name or UUID.
    ///
    /// - Throws: `.missing` with the names that there are.
    public init(
        domain name: String, uri: String = LibvirtConnection.systemURI, timeoutSeconds: Double = 60
    ) throws(LifeboatError) {
        let connection = try LibvirtConnection(uri: uri, timeoutSeconds: timeoutSeconds)
        let domain = try Self.find(name, connection)
        self.name = domain.name
        self.uri = uri
        address = HypervisorAddress(uri)
        uuid = domain.uuid
        let version = try connection.version()
        let hypervisor = try? connection.hypervisorVersion()
        platform = "libvirt \(version)" + (hypervisor.map { ", QEMU \($0)" } ?? "")
        let isActive = try domain.isActive()
        let xml = try DomainXML(parsing: try domain.xml(), subject: domain.name)
        state = Guarded(
            State(connection: connection, domain: domain, isActive: isActive, xml: xml))
    }

    static func find(
        _ name: String, _ connection: LibvirtConnection
    ) throws(LifeboatError) -> LibvirtDomain {
        do throws(LifeboatError) {
            return try connection.domain(name: name)
        } catch {
            guard error.code == .missing else { throw error }
            if let domain = try? connection.domain(uuid: name) { return domain }
            let names = (try? connection.domains().map(\.name)) ?? []
            throw LifeboatError(
                .missing, "\(connection.uri) has no domain \(name)", subject: name,
                cause: error.cause,
                advice: names.isEmpty
                    ? "it has none at all" : "it has " + names.joined(separator: ", "))
        }
    }

    public var isRunning: Bool { state.withLock { $0.isActive } }

    public var quiescer: (any Quiescer)? {
        state.withLock { state in
            guard state.isActive, state.xml.hasAgentChannel else { return nil }
            return LibvirtQuiescer(
                domain: state.domain, socket: address.isLocal ? state.xml.agentSocket : nil)
        }
    }

    /// The domain, over a new connection where the old one has died with its daemon.
    func domain() throws(LifeboatError) -> LibvirtDomain {
        let (connection, domain) = state.withLock { ($0.connection, $0.domain) }
        if connection.isAlive { return domain }
        let fresh = try LibvirtConnection(uri: uri, timeoutSeconds: 30)
        let found = try fresh.domain(uuid: uuid)
        state.withLock {
            $0.connection = fresh
            $0.domain = found
        }
        return found
    }

    // MARK: ProtectedMachine

    public func pause(timeoutSeconds: Double) throws(LifeboatError) {
        try domain().suspend(timeoutSeconds: timeoutSeconds)
    }

    public func resume(timeoutSeconds: Double) throws(LifeboatError) {
        try domain().resume(timeoutSeconds: timeoutSeconds)
    }

    public func prepare(_ request: SnapshotRequest) throws(LifeboatError) {
        let domain = try domain()
        let isActive = try domain.isActive()
        let xml = try DomainXML(parsing: try domain.xml(), subject: name)
        state.withLock {
            $0.isActive = isActive
            $0.xml = xml
            $0.request = request
            $0.disks = []
            $0.notes = []
        }
        guard request.policy.quiesce != .stateless else { return }
        if isActive {
            try prepareRunning(request, domain, xml)
        } else {
            try prepareShutOff(request, xml)
        }
    }

    public func startSnapshot(timeoutSeconds: Double) throws(LifeboatError) {
        let (request, disks, isActive) = state.withLock { ($0.request, $0.disks, $0.isActive) }
        guard let request, !disks.isEmpty else { return }
        if isActive {
            try startRunning(request, disks, timeoutSeconds: timeoutSeconds)
        } else {
            try startShutOff(request, disks)
        }
    }

    public func openVolumes() throws(LifeboatError) -> [SnapshotVolume] {
        let (request, disks, isActive, notes) = state.withLock {
            ($0.request, $0.disks, $0.isActive, $0.notes)
        }
        guard let request else { return [] }
        var volumes: [SnapshotVolume] = []
        for disk in disks {
            var volume =
                isActive ? try openRunning(disk, request) : try openShutOff(disk, request)
            volume.notes = disk.notes + volume.notes
            if volumes.isEmpty { volume.notes += notes }
            volumes.append(volume)
        }
        return volumes
    }

    public func definition() throws(LifeboatError) -> MachineDefinition {
        let (xml, disks, isActive) = state.withLock { ($0.xml, $0.disks, $0.isActive) }
        let (definition, unread) = try DefinitionCapture(
            domain: try domain(), xml: xml, isActive: isActive,
            volumes: Set(disks.map(\.name)), address: address
        ).capture()
        if !unread.isEmpty {
            let files = unread.joined(separator: ", ")
            state.withLock {
                $0.notes.append(
                    "the definition lacks files of the other host, which could not be read: "
                        + files)
            }
        }
        return definition
    }

    public func finish(isDurable: Bool) -> [String] {
        let (request, isActive, watch) = state.withLock { state in
            let result = (state.request, state.isActive, state.watch)
            state.watch = nil
            state.servers = []
            return result
        }
        watch?.end()
        guard let request else { return [] }
        let warnings =
            isActive
            ? finishRunning(request, isDurable: isDurable)
            : finishShutOff(request, isDurable: isDurable)
        state.withLock {
            $0.request = nil
            $0.disks = []
            $0.failure = nil
            $0.hasJob = false
            $0.hasSnapshot = false
        }
        return warnings
    }

    // MARK: names

    /// Begins the names of this line's sockets and scratch files.
    static func prefix(_ line: String) -> String { SnapshotName.prefix + line + "-" }

    /// The folder in which one run has its socket, and the one for its scratch files.
    ///
    /// They belong to the user that QEMU runs as, who makes the files in them.
    static func folder(_ request: SnapshotRequest, in directory: String) -> String {
        "\(directory)/\(prefix(request.line))\(request.snapshot)"
    }

    static func socket(_ request: SnapshotRequest) -> String {
        folder(request, in: request.runDirectory) + "/nbd.sock"
    }

    static func scratch(_ request: SnapshotRequest, _ disk: String) -> String {
        folder(request, in: request.scratchDirectory) + "/\(disk).qcow2"
    }

    /// Removes what a died run of this line left in a directory.
    static func removeStale(_ line: String, in directory: String) {
        for name in (try? Files.list(directory)) ?? [] where name.hasPrefix(prefix(line)) {
            try? Files.removeTree("\(directory)/\(name)")
        }
    }
}
