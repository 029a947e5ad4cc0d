internal import CLibvirt
internal import Glibc
public import LifeboatCore

/// Disks, block jobs and QEMU's own monitor.
extension LibvirtDomain {
    /// A disk's sizes.
    public struct BlockInformation: Sendable, Hashable {
        /// Bytes that the guest sees.
        public var capacity: UInt64
        /// Bytes taken on the host.
        public var allocation: UInt64
        /// Bytes of the file or device.
        public var physical: UInt64
    }

    /// A running block job.
    public struct BlockJob: Sendable, Hashable {
        /// libvirt's number of what it does: 1 pull, 2 copy, 3 commit, 4 active commit, 5 backup.
        public var kind: Int
        public var position: UInt64
        public var end: UInt64
    }

    /// The sizes of a disk, by its target such as `vda` or by path.
    public func blockInformation(_ disk: String) throws(LifeboatError) -> BlockInformation {
        let handle = handle
        return try LibvirtCall.run("asking for the disk \(disk) of \(name)", name) {
            var info = virDomainBlockInfo()
            guard virDomainGetBlockInfo(handle.pointer, disk, &info, 0) >= 0 else { return nil }
            return BlockInformation(
                capacity: info.capacity, allocation: info.allocation, physical: info.physical)
        }
    }

    /// Changes a disk's size while the domain runs.
    public func resizeBlock(_ disk: String, bytes: UInt64) throws(LifeboatError) {
        try call("resizing the disk \(disk) of \(name)") {
            virDomainBlockResize($0, disk, bytes, VIR_DOMAIN_BLOCK_RESIZE_BYTES.rawValue)
        }
    }

    /// Copies what a disk's backing images hold into the disk itself, in the background.
    public func pullBlocks(_ disk: String, bytesPerSecond: UInt64 = 0) throws(LifeboatError) {
        try call("pulling the disk \(disk) of \(name)") {
            virDomainBlockPull(
                $0, disk, UInt(bytesPerSecond), VIR_DOMAIN_BLOCK_PULL_BANDWIDTH_BYTES.rawValue)
        }
    }

    /// The block job on a disk; `nil` where there is none.
    public func blockJob(_ disk: String) throws(LifeboatError) -> BlockJob? {
        let handle = handle
        return try LibvirtCall.run("asking for the block job on \(disk) of \(name)", name) {
            () -> BlockJob?? in
            var info = virDomainBlockJobInfo()
            let result = virDomainGetBlockJobInfo(handle.pointer, disk, &info, 0)
            guard result >= 0 else { return nil }
            guard result > 0 else { return .some(nil) }
            return BlockJob(kind: Int(info.type), position: info.cur, end: info.end)
        }
    }

    /// Ends the block job on a disk; `pivots` where the domain is to use the copy.
    public func abortBlockJob(_ disk: String, pivots: Bool = false) throws(LifeboatError) {
        let flags = pivots ? VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT.rawValue : 0
        try call("ending the block job on \(disk) of \(name)") {
            virDomainBlockJobAbort($0, disk, flags)
        }
    }

    /// Sends one command to QEMU's monitor and returns what it returned.
    public func monitorCommand(
        _ command: String, arguments: [String: JSON] = [:], timeoutSeconds: Double = 40
    ) throws(LifeboatError) -> JSON {
        let handle = handle
        let name = name
        var message: [String: JSON] = ["execute": .string(command)]
        if !arguments.isEmpty { message["arguments"] = .object(arguments) }
        let text = JSON.object(message).serialized
        let answer = try LibvirtCall.text(
            "QEMU's \(command) of \(name)", name, within: timeoutSeconds
        ) {
            var result: UnsafeMutablePointer<CChar>?
            guard virDomainQemuMonitorCommand(handle.pointer, text, &result, 0) >= 0 else {
                return nil
            }
            return result
        }
        let value = try JSON(parsing: Array(answer.utf8), subject: "QEMU of \(name)")
        if let error = value["error"] {
            throw LifeboatError(
                .refused, "QEMU refuses \(command)", subject: name, cause: error["desc"]?.text)
        }
        return value["return"] ?? .null
    }
}
