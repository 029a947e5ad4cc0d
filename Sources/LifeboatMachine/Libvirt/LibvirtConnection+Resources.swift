internal import CLibvirt
internal import Glibc
public import LifeboatCore

extension LibvirtConnection {
    /// A network as libvirt knows it.
    public struct Network: Sendable, Hashable {
        public var name: String
        public var uuid: String
        public var isActive: Bool
    }

    /// A storage pool as libvirt knows it.
    public struct StoragePool: Sendable, Hashable {
        public var name: String
        public var isActive: Bool
        /// As XML.
        public var xml: String
        /// What it is made of: `dir`, `fs`, `netfs`, `logical`, `mpath`, ...
        public var kind: String
        /// Where its volumes appear; `nil` where that is no path.
        public var path: String?

        /// Whether its volumes are files; those of others are devices, although they appear in a
        /// folder as well.
        public var isFolder: Bool { ["dir", "fs", "netfs"].contains(kind) }
    }

    // MARK: networks

    /// All networks, by name.
    public func networks() throws(LifeboatError) -> [Network] {
        let handle = handle
        let networks: [Network] = try LibvirtCall.run("listing networks", uri) {
            var list: UnsafeMutablePointer<OpaquePointer?>?
            let count = virConnectListAllNetworks(handle.pointer, &list, 0)
            let handles = LibvirtCall.take(count, list) { virNetworkFree($0) }
            return handles?.map { network in
                var uuid = [CChar](repeating: 0, count: Int(VIR_UUID_STRING_BUFLEN))
                virNetworkGetUUIDString(network.pointer, &uuid)
                return Network(
                    name: virNetworkGetName(network.pointer).map { String(cString: $0) } ?? "",
                    uuid: uuid.withUnsafeBufferPointer {
                        $0.baseAddress.map { String(cString: $0) } ?? ""
                    },
                    isActive: virNetworkIsActive(network.pointer) == 1)
            }
        }
        return networks.sorted { $0.name < $1.name }
    }

    /// A network's definition.
    ///
    /// - Throws: `.missing`.
    public func networkXML(name: String) throws(LifeboatError) -> String {
        let network = try network(name)
        return try LibvirtCall.text("reading the network \(name)", name) {
            virNetworkGetXMLDesc(network.pointer, 0)
        }
    }

    /// Defines a network that stays, or changes one.
    public func defineNetwork(xml: String) throws(LifeboatError) {
        let handle = handle
        _ = try LibvirtCall.run("defining a network", uri) {
            virNetworkDefineXML(handle.pointer, xml).map {
                LibvirtHandle($0) { virNetworkFree($0) }
            }
        }
    }

    /// Starts a network that is gone when it is stopped.
    public func createNetwork(xml: String) throws(LifeboatError) {
        let handle = handle
        _ = try LibvirtCall.run("creating a network", uri) {
            virNetworkCreateXML(handle.pointer, xml).map {
                LibvirtHandle($0) { virNetworkFree($0) }
            }
        }
    }

    public func startNetwork(name: String) throws(LifeboatError) {
        let network = try network(name)
        try LibvirtCall.number("starting the network \(name)", name) {
            virNetworkCreate(network.pointer)
        }
    }

    public func stopNetwork(name: String) throws(LifeboatError) {
        let network = try network(name)
        try LibvirtCall.number("stopping the network \(name)", name) {
            virNetworkDestroy(network.pointer)
        }
    }

    public func undefineNetwork(name: String) throws(LifeboatError) {
        let network = try network(name)
        try LibvirtCall.number("removing the network \(name)", name) {
            virNetworkUndefine(network.pointer)
        }
    }

    private func network(_ name: String) throws(LifeboatError) -> LibvirtHandle {
        let handle = handle
        return try LibvirtCall.run("looking for the network \(name)", name) {
            virNetworkLookupByName(handle.pointer, name).map {
                LibvirtHandle($0) { virNetworkFree($0) }
            }
        }
    }

    // MARK: storage pools

    /// All storage pools, by name.
    public func storagePools() throws(LifeboatError) -> [StoragePool] {
        let handle = handle
        let pools: [StoragePool] = try LibvirtCall.run("listing storage pools", uri) {
            var list: UnsafeMutablePointer<OpaquePointer?>?
            let count = virConnectListAllStoragePools(handle.pointer, &list, 0)
            let handles = LibvirtCall.take(count, list) { virStoragePoolFree($0) }
            return handles?.compactMap { pool in
                guard let xml = LibvirtCall.take(virStoragePoolGetXMLDesc(pool.pointer, 0)) else {
                    return nil
                }
                let tree = XMLTree.parse(xml)
                return StoragePool(
                    name: virStoragePoolGetName(pool.pointer).map { String(cString: $0) } ?? "",
                    isActive: virStoragePoolIsActive(pool.pointer) == 1, xml: xml,
                    kind: tree?.attribute("type") ?? "", path: tree?["target"]?["path"]?.text)
            }
        }
        return pools.sorted { $0.name < $1.name }
    }

    /// Tells a storage pool to look which volumes it has.
    public func refreshStoragePool(name: String) throws(LifeboatError) {
        let handle = handle
        try LibvirtCall.number("refreshing the storage pool \(name)", name) {
            guard let pool = virStoragePoolLookupByName(handle.pointer, name) else { return -1 }
            defer { virStoragePoolFree(pool) }
            return virStoragePoolRefresh(pool, 0)
        }
    }

    /// Where a volume of a storage pool is on its host.
    ///
    /// - Throws: `.missing` where there is no such pool or volume, `.refused` where the pool is not
    ///   active.
    public func volumePath(pool: String, volume: String) throws(LifeboatError) -> String {
        let handle = handle
        return try LibvirtCall.text("looking for the volume \(volume) of the pool \(pool)", volume)
        {
            guard let pool = virStoragePoolLookupByName(handle.pointer, pool) else { return nil }
            defer { virStoragePoolFree(pool) }
            guard let volume = virStorageVolLookupByName(pool, volume) else { return nil }
            defer { virStorageVolFree(volume) }
            return virStorageVolGetPath(volume)
        }
    }

    /// The file or device of a disk, on the host of the machine; `nil` where it is neither.
    ///
    /// - Throws: as `volumePath`.
    func path(of disk: DomainXML.Disk) throws(LifeboatError) -> String? {
        guard let source = disk.source else { return nil }
        switch disk.kind {
        case "file", "block": return source
        case "volume":
            guard let slash = source.firstIndex(of: "/") else { return nil }
            return try volumePath(
                pool: String(source[..<slash]),
                volume: String(source[source.index(after: slash)...]))
        default: return nil
        }
    }
}
