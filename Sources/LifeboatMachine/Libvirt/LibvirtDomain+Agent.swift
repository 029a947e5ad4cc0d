internal import CLibvirt
internal import Glibc
public import LifeboatCore

/// The guest's agent, and what libvirt learns from it.
extension LibvirtDomain {
    /// Where addresses of a guest are known from.
    public enum AddressSource: Sendable, CaseIterable {
        /// The leases of libvirt's own networks.
        case leases
        case agent
        /// The host's table of neighbours.
        case neighbours
    }

    /// A network interface of a guest and its addresses.
    public struct InterfaceAddresses: Sendable, Hashable {
        /// The guest's name of it, or the host's.
        public var name: String
        /// The hardware address, in lower case.
        public var mac: String?
        /// With prefix lengths, such as `10.0.0.7/24`.
        public var addresses: [String]
    }

    /// How long libvirt waits for the agent's answers, from now on.
    public func setAgentTimeout(seconds: Int) throws(LifeboatError) {
        try call("setting the time-out of the agent of \(name)", within: 10) {
            virDomainAgentSetResponseTimeout($0, Int32(clamping: seconds), 0)
        }
    }

    /// Freezes these mount points, or all file systems; returns how many were frozen.
    public func freeze(
        mountPoints: [String], timeoutSeconds: Double
    ) throws(LifeboatError) -> Int {
        try call("freezing the file systems of \(name)", within: timeoutSeconds) { domain in
            Self.withTexts(mountPoints) { list in
                virDomainFSFreeze(domain, list, UInt32(mountPoints.count), 0)
            }
        }
    }

    /// Lets all file systems run again; returns how many were thawed.
    public func thaw(timeoutSeconds: Double) throws(LifeboatError) -> Int {
        try call("thawing the file systems of \(name)", within: timeoutSeconds) {
            virDomainFSThaw($0, nil, 0, 0)
        }
    }

    /// Sends one command to the agent and returns its answer, both as JSON.
    public func agentCommand(
        _ command: String, timeoutSeconds: Double
    ) throws(LifeboatError) -> String {
        let handle = handle
        // The library's own deadline comes first, so that the agent is in step afterwards.
        let seconds = max(1, Int32(clamping: Int(timeoutSeconds)))
        return try LibvirtCall.text(
            "the agent of \(name)", name, within: timeoutSeconds + 1
        ) {
            virDomainQemuAgentCommand(handle.pointer, command, seconds, 0)
        }
    }

    /// What the agent says of users, system, host name, file systems and disks, by libvirt's names.
    public func guestInformation(timeoutSeconds: Double) throws(LifeboatError) -> [String: JSON] {
        let handle = handle
        return try LibvirtCall.run(
            "asking the guest of \(name)", name, within: timeoutSeconds
        ) {
            var count: Int32 = 0
            var list: virTypedParameterPtr?
            guard virDomainGetGuestInfo(handle.pointer, 0, &list, &count, 0) >= 0 else {
                return nil
            }
            return LibvirtParameters.take(list, count)
        }
    }

    public func interfaceAddresses(
        _ source: AddressSource, timeoutSeconds: Double = 10
    ) throws(LifeboatError) -> [InterfaceAddresses] {
        let handle = handle
        let number =
            switch source {
            case .leases: VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE.rawValue
            case .agent: VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT.rawValue
            case .neighbours: VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_ARP.rawValue
            }
        return try LibvirtCall.run(
            "asking for the addresses of \(name)", name, within: timeoutSeconds
        ) {
            var list: UnsafeMutablePointer<virDomainInterfacePtr?>?
            let count = virDomainInterfaceAddresses(handle.pointer, &list, number, 0)
            guard count >= 0 else { return nil }
            defer { free(list) }
            return (0..<Int(count)).compactMap { index in list?[index].map(Self.take) }
        }
    }

    private static func take(_ interface: virDomainInterfacePtr) -> InterfaceAddresses {
        defer { virDomainInterfaceFree(interface) }
        let value = interface.pointee
        let addresses = (0..<Int(value.naddrs)).compactMap { index -> String? in
            guard let address = value.addrs?[index], let text = address.addr else { return nil }
            return "\(String(cString: text))/\(address.prefix)"
        }
        return InterfaceAddresses(
            name: value.name.map { String(cString: $0) } ?? "",
            mac: value.hwaddr.map { String(cString: $0).lowercased() }, addresses: addresses)
    }

    private static func withTexts<R>(
        _ texts: [String], _ body: (UnsafeMutablePointer<UnsafePointer<CChar>?>?) -> R
    ) -> R {
        let copies = texts.map { strdup($0) }
        defer { for copy in copies { free(copy) } }
        var list = copies.map { UnsafePointer<CChar>($0) }
        return list.withUnsafeMutableBufferPointer { body($0.baseAddress) }
    }
}
