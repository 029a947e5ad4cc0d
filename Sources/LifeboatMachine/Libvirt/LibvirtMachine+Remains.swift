internal import LifeboatCore
internal import LifeboatSystem

/// What a run that died leaves: its backup job, its folders.
extension LibvirtMachine {
    public var machineAddress: MachineAddress? {
        MachineAddress(domain: .init(uri: uri, uuid: uuid))
    }

    public var remains: SnapshotRemains? {
        state.withLock { state in
            guard state.isActive, !state.disks.isEmpty, let request = state.request,
                let address = machineAddress
            else { return nil }
            return SnapshotRemains(
                machine: name, address: address, line: request.line, snapshot: request.snapshot,
                runDirectory: Files.absolute(request.runDirectory),
                scratchDirectory: Files.absolute(request.scratchDirectory))
        }
    }

    /// A job that was told to end does so a moment later; or when libvirt has given up what it wants
    /// to do first, 30 s for each time that the guest's agent came or went: see `LostAgent`.
    private static let endSeconds = 70.0

    /// Ends a backup job, if its server or its scratch files have this in their paths.
    ///
    /// `isWanted` is asked right before. Returns whether no job of another is left.
    static func endJob(
        _ domain: LibvirtDomain, of part: String, timeoutSeconds: Double = 40,
        while isWanted: () -> Bool = { true }
    ) throws(LifeboatError) -> Bool {
        guard let job = try domain.backupXML() else { return true }
        guard job.contains(part) else { return false }
        let isStuck = try domain.isPausedByDiskError()
        guard isWanted() else { return false }
        var failure: LifeboatError?
        do throws(LifeboatError) {
            try domain.abortJob(timeoutSeconds: timeoutSeconds)
        } catch {
            // A guardian and the next run may both be at it.
            failure = error
        }
        let deadline = Deadline(seconds: endSeconds)
        while try domain.backupXML()?.contains(part) == true {
            guard !deadline.hasPassed else {
                throw failure
                    ?? LifeboatError(
                        .unavailable, "the backup job of \(domain.name) does not end",
                        subject: domain.name)
            }
            Threads.sleep(seconds: 0.05)
        }
        // Its scratch files may have filled their file system with nobody there to notice.
        if isStuck { try letGuestGoOn(domain, timeoutSeconds: timeoutSeconds) }
        return true
    }

    private static func letGuestGoOn(
        _ domain: LibvirtDomain, timeoutSeconds: Double
    ) throws(LifeboatError) {
        do throws(LifeboatError) {
            try domain.resume(timeoutSeconds: timeoutSeconds)
        } catch {
            guard try !domain.isPausedByDiskError() else { throw error }
        }
    }

    /// Ends what one run has left, from another process.
    static func end(
        _ remains: SnapshotRemains, uuid: String, _ connection: LibvirtConnection,
        timeoutSeconds: Double, while isWanted: () -> Bool
    ) throws(LifeboatError) {
        let own = prefix(remains.line) + remains.snapshot
        do throws(LifeboatError) {
            let domain = try connection.domain(uuid: uuid)
            _ = try endJob(
                domain, of: "/\(own)/", timeoutSeconds: timeoutSeconds, while: isWanted)
        } catch {
            // A domain that is no more has no job either.
            guard error.code == .missing else { throw error }
        }
        let isLocal = HypervisorAddress(connection.uri).isLocal
        let directories =
            isLocal ? [remains.runDirectory, remains.scratchDirectory] : [remains.runDirectory]
        for directory in Set(directories) {
            do throws(LifeboatError) { try Files.removeTree("\(directory)/\(own)") } catch {
                guard error.code == .missing else { throw error }
            }
        }
        if !isLocal { try connection.removeFolders { $0 == own } }
    }
}
