/// Where a machine itself is reached by another process: as libvirt's domain or by QEMU's monitor.
public struct MachineAddress: Sendable, Equatable, Codable {
    public var domain: GuestAgentAddress.Domain?
    /// The whole path of QEMU's QMP socket on this host.
    public var monitor: String?

    public init(domain: GuestAgentAddress.Domain? = nil, monitor: String? = nil) {
        self.domain = domain
        self.monitor = monitor
    }
}
