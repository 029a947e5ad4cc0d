internal import CLibvirt
internal import Glibc
public import LifeboatCore

/// Backup jobs and checkpoints.
extension LibvirtDomain {
    /// A checkpoint of a domain.
    public struct Checkpoint: Sendable {
        public let name: String
        let handle: LibvirtHandle
    }

    /// Starts a backup job, and a checkpoint of the same instant where one is given.
    public func beginBackup(
        xml: String, checkpointXML: String?, timeoutSeconds: Double = 40
    ) throws(LifeboatError) {
        try call("starting a backup of \(name)", within: timeoutSeconds) {
            virDomainBackupBegin($0, xml, checkpointXML, 0)
        }
    }

    /// What libvirt says of the running backup job; `nil` where there is none.
    public func backupXML() throws(LifeboatError) -> String? {
        let handle = handle
        do throws(LifeboatError) {
            return try LibvirtCall.text("asking for the backup job of \(name)", name) {
                virDomainBackupGetXMLDesc(handle.pointer, 0)
            }
        } catch {
            // A domain that does not run has none either.
            if error.code == .missing || error.code == .refused { return nil }
            throw error
        }
    }

    /// Ends the running job, which is how a backup in pull mode ends.
    public func abortJob(timeoutSeconds: Double = 40) throws(LifeboatError) {
        try call("ending the job of \(name)", within: timeoutSeconds) { virDomainAbortJob($0) }
    }

    /// The running job's statistics by libvirt's names, such as `disk_temp_used`; empty where there
    /// is no job.
    public func jobStatistics(timeoutSeconds: Double = 10) throws(LifeboatError) -> [String: JSON] {
        let handle = handle
        return try LibvirtCall.run(
            "asking for the job of \(name)", name, within: timeoutSeconds
        ) {
            var kind: Int32 = 0
            var count: Int32 = 0
            var list: virTypedParameterPtr?
            guard virDomainGetJobStats(handle.pointer, &kind, &list, &count, 0) >= 0 else {
                return nil
            }
            let values = LibvirtParameters.take(list, count)
            return kind == Int32(VIR_DOMAIN_JOB_NONE.rawValue) ? [:] : values
        }
    }

    // MARK: checkpoints

    /// All checkpoints, parents before children.
    public func checkpoints() throws(LifeboatError) -> [Checkpoint] {
        let handle = handle
        let handles = try LibvirtCall.run("listing the checkpoints of \(name)", name) {
            var list: UnsafeMutablePointer<OpaquePointer?>?
            let count = virDomainListAllCheckpoints(
                handle.pointer, &list, VIR_DOMAIN_CHECKPOINT_LIST_TOPOLOGICAL.rawValue)
            return LibvirtCall.take(count, list) { virDomainCheckpointFree($0) }
        }
        return handles.map { checkpoint in
            Checkpoint(
                name: virDomainCheckpointGetName(checkpoint.pointer).map { String(cString: $0) }
                    ?? "", handle: checkpoint)
        }
    }

    /// A checkpoint's definition; the domain's at that time is left out.
    public func xml(of checkpoint: Checkpoint) throws(LifeboatError) -> String {
        try LibvirtCall.text("reading the checkpoint \(checkpoint.name) of \(name)", name) {
            virDomainCheckpointGetXMLDesc(
                checkpoint.handle.pointer, VIR_DOMAIN_CHECKPOINT_XML_NO_DOMAIN.rawValue)
        }
    }

    /// Tells libvirt of a checkpoint whose bitmaps are there.
    ///
    /// Where `validates`, the bitmaps are looked at first.
    ///
    /// - Throws: `.damaged` where one of them is missing or broken.
    public func redefineCheckpoint(xml: String, validates: Bool = true) throws(LifeboatError) {
        let handle = handle
        let name = name
        let flags =
            VIR_DOMAIN_CHECKPOINT_CREATE_REDEFINE.rawValue
            | (validates ? VIR_DOMAIN_CHECKPOINT_CREATE_REDEFINE_VALIDATE.rawValue : 0)
        _ = try LibvirtCall.run("redefining a checkpoint of \(name)", name) {
            virDomainCheckpointCreateXML(handle.pointer, xml, flags).map {
                LibvirtHandle($0) { virDomainCheckpointFree($0) }
            }
        }
    }

    /// Makes a checkpoint of now.
    public func createCheckpoint(xml: String) throws(LifeboatError) {
        let handle = handle
        let name = name
        _ = try LibvirtCall.run("making a checkpoint of \(name)", name) {
            virDomainCheckpointCreateXML(handle.pointer, xml, 0).map {
                LibvirtHandle($0) { virDomainCheckpointFree($0) }
            }
        }
    }

    /// Deletes a checkpoint with its bitmaps, or only what libvirt knows of it.
    public func deleteCheckpoint(
        _ checkpoint: Checkpoint, onlyMetadata: Bool = false
    ) throws(LifeboatError) {
        let flags = onlyMetadata ? VIR_DOMAIN_CHECKPOINT_DELETE_METADATA_ONLY.rawValue : 0
        try LibvirtCall.number("deleting the checkpoint \(checkpoint.name) of \(name)", name) {
            virDomainCheckpointDelete(checkpoint.handle.pointer, flags)
        }
    }
}
