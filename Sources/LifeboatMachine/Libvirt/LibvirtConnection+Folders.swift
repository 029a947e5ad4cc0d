internal import CLibvirt
internal import LifeboatCore
internal import LifeboatSystem

/// Folders of the hypervisor's host, made and removed by libvirt itself, as storage pools.
///
/// So they need no way to that host but the connection that there is, and what a died run left is
/// found by its name, even after a restart of the host.
extension LibvirtConnection {
    private static let seconds = 60.0

    /// Makes a folder that only its owner may enter; those above it are made where missing.
    ///
    /// - Returns: how many bytes its file system has left.
    func makeFolder(
        _ name: String, _ path: String, owner: DomainXML.Owner?
    ) throws(LifeboatError) -> UInt64 {
        let ownership =
            owner.map { "<owner>\($0.user)</owner><group>\($0.group)</group>" } ?? ""
        let xml = """
            <pool type='dir'><name>\(XMLTree.escape(name))</name>
              <target><path>\(XMLTree.escape(path))</path>
                <permissions><mode>0700</mode>\(ownership)</permissions></target></pool>
            """
        let handle = handle
        do throws(LifeboatError) {
            return try LibvirtCall.run("making the folder \(path)", uri, within: Self.seconds) {
                guard let pool = virStoragePoolDefineXML(handle.pointer, xml, 0) else { return nil }
                defer { virStoragePoolFree(pool) }
                var info = virStoragePoolInfo()
                guard virStoragePoolBuild(pool, 0) == 0, virStoragePoolCreate(pool, 0) == 0,
                    virStoragePoolGetInfo(pool, &info) == 0
                else { return nil }
                return UInt64(info.available)
            }
        } catch {
            _ = try? removeFolders { $0 == name }
            throw LifeboatError(
                error.code == .unavailable ? .refused : error.code,
                "libvirt cannot make the folder \(path) on its host", subject: uri,
                cause: error.cause ?? error.message,
                advice: "its storage driver is needed, and with --scratch-directory a place where "
                    + "it may make folders")
        }
    }

    /// Removes folders that `makeFolder` made, with all that is in them.
    func removeFolders(_ isChosen: @escaping @Sendable (String) -> Bool) throws(LifeboatError) {
        let handle = handle
        try LibvirtCall.number("removing folders", uri, within: Self.seconds) {
            var list: UnsafeMutablePointer<OpaquePointer?>?
            let count = virConnectListAllStoragePools(handle.pointer, &list, 0)
            guard let pools = LibvirtCall.take(count, list, free: { virStoragePoolFree($0) }) else {
                return -1
            }
            var result: Int32 = 0
            for pool in pools {
                let name = virStoragePoolGetName(pool.pointer).map { String(cString: $0) } ?? ""
                guard isChosen(name) else { continue }
                // After a restart of the host it is not active.
                if virStoragePoolIsActive(pool.pointer) != 1 {
                    _ = virStoragePoolCreate(pool.pointer, 0)
                }
                _ = virStoragePoolRefresh(pool.pointer, 0)
                var files: UnsafeMutablePointer<OpaquePointer?>?
                let number = virStoragePoolListAllVolumes(pool.pointer, &files, 0)
                for file in LibvirtCall.take(number, files, free: { virStorageVolFree($0) }) ?? [] {
                    _ = virStorageVolDelete(file.pointer, 0)
                }
                _ = virStoragePoolDestroy(pool.pointer)
                guard Self.delete(pool.pointer) else {
                    // As long as the pool is known, the next run finds the folder.
                    result = -1
                    continue
                }
                if virStoragePoolUndefine(pool.pointer) < 0 { result = -1 }
            }
            return result
        }
    }

    /// Removes the folder of a pool; a job that ends just now has its socket there for a moment.
    private static func delete(_ pool: OpaquePointer) -> Bool {
        for round in 0..<20 {
            if round > 0 { Threads.sleep(seconds: 0.25) }
            if virStoragePoolDelete(pool, 0) == 0 { return true }
        }
        return false
    }
}
