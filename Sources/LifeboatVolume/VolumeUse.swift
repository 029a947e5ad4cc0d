internal import LifeboatSystem

/// Finds out whether something may write to a file or block device while it is read.
///
/// Looks, in this order, at mounts, swap, loop devices, and processes that have it open for writing.
/// What the system does not tell (other hosts, other kernels) is not seen.
struct VolumeUse {
    /// One phrase, such as `mounted at /srv`.
    let reason: String

    /// `nil` if nothing speaks for changes.
    init?(of file: File) {
        guard let identity = file.identity else { return nil }
        let own = file.kind == .blockDevice ? identity.represents : nil
        let loops = LoopDevice.attached(to: identity)
        var devices = own.map { BlockDevices.stack(above: $0) } ?? []
        for loop in loops { devices.formUnion(BlockDevices.stack(above: loop.device)) }

        if let place = MountTable.place(ofAny: devices) {
            reason = "mounted at \(place)"
        } else if SwapTable.uses(identity, orAny: devices) {
            reason = "used as swap space"
        } else if let loop = loops.first(where: { !$0.isReadOnly }) {
            reason = "attached to \(loop.path)"
        } else if let writer = Self.writer(of: file, identity, devices) {
            reason = writer
        } else {
            return nil
        }
    }

    private static func writer(
        of file: File, _ identity: FileIdentity, _ devices: Set<UInt64>
    ) -> String? {
        // The kernel knows at once whether a regular file has a writer, wherever that runs.
        let lease = file.kind == .regular ? file.hasWriter : nil
        if lease == false, devices.isEmpty { return nil }
        let writers = OpenWriters.find(identity, devices)
        if let process = writers.other { return "open for writing by process \(process)" }
        return lease == true && !writers.isOwn ? "open for writing" : nil
    }
}
