public import LifeboatCore

/// Agents by libvirt and by their sockets on this host.
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
        _ address: GuestAgentAddress, timeoutSeconds: Double
    ) throws(LifeboatError) {
        guard let place = address.domain else {
            throw LifeboatError(.unsupported, "a machine is resumed through libvirt only")
        }
        let domain = try domain(place)
        guard try domain.state() == .paused else { return }
        try domain.resume(timeoutSeconds: timeoutSeconds)
    }

    private func domain(_ place: GuestAgentAddress.Domain) throws(LifeboatError) -> LibvirtDomain {
        try LibvirtConnection(uri: place.uri, timeoutSeconds: Self.connectSeconds)
            .domain(uuid: place.uuid)
    }
}
