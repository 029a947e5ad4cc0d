public import LifeboatCore

/// Agents and machines by libvirt and by their sockets on this host.
///
/// An address with a domain is looked up in libvirt; one with a socket alone needs no libvirt.
public struct HostConnecting: GuestAgentConnecting {
    /// For a connection to libvirt, which comes before every command.
    private static let connectSeconds = 10.0

    public init() {}

    public func quiescer(for address: GuestAgentAddress) throws(LifeboatError) -> any Quiescer {
        guard let place = address.domain else {
            return try SocketConnecting().quiescer(for: address)
        }
        return LibvirtQuiescer(domain: try domain(place), socket: address.socket)
    }

    public func resume(
        _ address: MachineAddress, timeoutSeconds: Double
    ) throws(LifeboatError) {
        if let place = address.domain {
            let domain = try domain(place)
            guard try domain.state() == .paused else { return }
            try domain.resume(timeoutSeconds: timeoutSeconds)
        } else if let monitor = address.monitor {
            // QEMU serves one program at a time, so the connection is given up at once.
            let client = try QMPClient(path: monitor, timeoutSeconds: timeoutSeconds)
            defer { client.close() }
            guard try client.call("query-status")["status"]?.text == "paused" else { return }
            try client.call("cont", timeoutSeconds: timeoutSeconds)
        } else {
            throw LifeboatError(.unsupported, "there is no way to the machine")
        }
    }

    public func end(
        _ remains: SnapshotRemains, timeoutSeconds: Double,
        while isWanted: @escaping @Sendable () -> Bool
    ) throws(LifeboatError) {
        if let place = remains.address.domain {
            let connection = try LibvirtConnection(
                uri: place.uri, timeoutSeconds: Self.connectSeconds)
            try LibvirtMachine.end(
                remains, uuid: place.uuid, connection, timeoutSeconds: timeoutSeconds,
                while: isWanted)
        } else if let monitor = remains.address.monitor {
            try QEMUMachine.end(
                remains, monitor: monitor, timeoutSeconds: timeoutSeconds, while: isWanted)
        }
    }

    private func domain(_ place: GuestAgentAddress.Domain) throws(LifeboatError) -> LibvirtDomain {
        try LibvirtConnection(uri: place.uri, timeoutSeconds: Self.connectSeconds)
            .domain(uuid: place.uuid)
    }
}
