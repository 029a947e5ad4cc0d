internal import CLibvirt
internal import Glibc
public import LifeboatCore

extension LibvirtDomain {
    /// The disks that had an error, by target; true for those that had no space.
    public func diskErrors() throws(LifeboatError) -> [String: Bool] {
        let handle = handle
        return try LibvirtCall.run("asking for the disk errors of \(name)", name) {
            let count = virDomainGetDiskErrors(handle.pointer, nil, 0, 0)
            guard count >= 0 else { return nil }
            guard count > 0 else { return [:] }
            var list = [virDomainDiskError](repeating: virDomainDiskError(), count: Int(count))
            let filled = virDomainGetDiskErrors(handle.pointer, &list, UInt32(count), 0)
            guard filled >= 0 else { return nil }
            var errors: [String: Bool] = [:]
            for error in list.prefix(Int(filled)) {
                guard let disk = error.disk else { continue }
                errors[String(cString: disk)] =
                    UInt32(bitPattern: error.error) == VIR_DOMAIN_DISK_ERROR_NO_SPACE.rawValue
                free(disk)
            }
            return errors
        }
    }

    /// Names of its snapshots.
    public func snapshots() throws(LifeboatError) -> [String] {
        let handle = handle
        let handles = try LibvirtCall.run("listing the snapshots of \(name)", name) {
            var list: UnsafeMutablePointer<OpaquePointer?>?
            let count = virDomainListAllSnapshots(handle.pointer, &list, 0)
            return LibvirtCall.take(count, list) { virDomainSnapshotFree($0) }
        }
        return handles.compactMap {
            virDomainSnapshotGetName($0.pointer).map { String(cString: $0) }
        }
    }

    /// Whether its memory was saved, to go on with at its next start.
    public func hasManagedSave() throws(LifeboatError) -> Bool {
        try call("asking whether the memory of \(name) was saved") {
            virDomainHasManagedSaveImage($0, 0)
        } == 1
    }
}

extension LibvirtConnection {
    /// Whether its machines are on this host, so that their files are at hand.
    public var isLocal: Bool { HypervisorAddress(uri).isLocal }

    /// What the host has for machines that are brought to it.
    public func hostOffer() throws(LifeboatError) -> HostOffer {
        var offer = try HostOffer(capabilities: try capabilities())
        offer.networks = Dictionary(try networks().map { ($0.name, $0.isActive) }) { first, _ in
            first
        }
        let handle = handle
        let text = try LibvirtCall.text("asking for domain capabilities", uri) {
            virConnectGetDomainCapabilities(handle.pointer, nil, nil, nil, nil, 0)
        }
        offer.loaders = HostOffer.loaders(domainCapabilities: text)
        return offer
    }
}
