internal import LifeboatCore
internal import LifeboatSystem
internal import LifeboatVolume

/// Where a running domain's scratch files and its NBD server are: on this host or another.
extension LibvirtMachine {
    /// Of QEMU's server on other hosts; firewalls must let these through.
    static let ports: ClosedRange<UInt64> = 10809...11064
    static let portAttempts = 8

    /// Makes the folders of one run, after removing those of died runs of its line.
    func makeFolders(
        _ request: SnapshotRequest, _ connection: LibvirtConnection, _ owner: DomainXML.Owner?
    ) throws(LifeboatError) {
        for directory in ownDirectories(request) {
            Self.removeStale(request.line, in: directory)
        }
        let socket = serverSocket(request)
        for path in [socket, Self.socket(request)] where path.utf8.count > 107 {
            throw LifeboatError(
                .refused, "the path of the socket \(path) would be too long", subject: path)
        }
        let own = Self.folder(request, in: request.runDirectory)
        if address.isLocal {
            for directory in ownDirectories(request) {
                try QEMUAccess.makeFolder(Self.folder(request, in: directory), owner)
            }
            return
        }
        let prefix = Self.prefix(request.line)
        try? connection.removeFolders { $0.hasPrefix(prefix) }
        try QEMUAccess.makeFolder(own, nil)
        state.withLock { $0.hasFolder = true }
        let path = Self.folder(request, in: request.scratchDirectory)
        let free = try connection.makeFolder(prefix + request.snapshot, path, owner: owner)
        state.withLock { $0.freeBytes = free }
        switch address.way {
        case .local: break
        case .secureShell(let shell):
            // Before the guest is frozen: the first connection takes a while.
            let tunnel = try SocketTunnel(shell, local: Self.socket(request), remote: socket)
            state.withLock { $0.tunnel = tunnel }
        case .network(_, let hasTLS):
            if hasTLS { try TLSFolder.make(in: own, certificates: address.certificates) }
            let span = Self.ports.upperBound - Self.ports.lowerBound + 1
            let chosen = UInt64(request.snapshot.prefix(8), radix: 16) ?? 0
            state.withLock { $0.port = Self.ports.lowerBound + chosen % span }
        }
    }

    /// Those of this host that the run has folders in.
    private func ownDirectories(_ request: SnapshotRequest) -> Set<String> {
        address.isLocal
            ? [request.runDirectory, request.scratchDirectory] : [request.runDirectory]
    }

    /// Removes the folders of one run; what is left is returned as a warning.
    func removeFolders(_ request: SnapshotRequest) -> [String] {
        let (tunnel, hasFolder) = state.withLock { state in
            let result = (state.tunnel, state.hasFolder)
            state.tunnel = nil
            state.hasFolder = false
            return result
        }
        tunnel?.close()
        for directory in ownDirectories(request) {
            try? Files.removeTree(Self.folder(request, in: directory))
        }
        guard hasFolder, !address.isLocal else { return [] }
        let own = Self.prefix(request.line) + request.snapshot
        do throws(LifeboatError) {
            try domain().connection.removeFolders { $0 == own }
            return []
        } catch {
            return ["the scratch folder of \(name) is left on its host: \(error)"]
        }
    }

    // MARK: the server

    /// QEMU's socket, on its own host.
    func serverSocket(_ request: SnapshotRequest) -> String {
        address.isLocal
            ? Self.socket(request)
            : Self.folder(request, in: request.scratchDirectory) + "/nbd.sock"
    }

    /// How libvirt is told of the server.
    func server(_ request: SnapshotRequest) -> String {
        guard case .network(let host, let hasTLS) = address.way else {
            return BackupXML.unixServer(serverSocket(request))
        }
        return BackupXML.networkServer(host, port: state.withLock { $0.port }, hasTLS: hasTLS)
    }

    /// Whether a failed start is worth another one, with another port.
    func takesOtherPort(after error: LifeboatError) -> Bool {
        guard case .network = address.way, let cause = error.cause,
            ["in use", "available port", "bind"].contains(where: { cause.contains($0) })
        else { return false }
        state.withLock {
            $0.port = $0.port == Self.ports.upperBound ? Self.ports.lowerBound : $0.port + 1
        }
        return true
    }

    /// The frozen disk's export, as this host reaches it.
    func exportURI(
        _ disk: String, _ request: SnapshotRequest, _ options: inout NBDOptions
    ) -> String {
        guard case .network(let host, let hasTLS) = address.way else {
            return NBDAddress.local(export: disk, socket: Self.socket(request))
        }
        if hasTLS { options.tlsCertificates = Self.folder(request, in: request.runDirectory) }
        let place = host.contains(":") ? "[\(host)]" : host
        return "\(hasTLS ? "nbds" : "nbd")://\(place):\(state.withLock { $0.port })/\(disk)"
    }
}
