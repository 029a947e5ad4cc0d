internal import LifeboatCore
internal import LifeboatSystem
internal import LifeboatVolume

/// What `MachineDoctor` looks at in one domain.
struct DomainExamination {
    private let domain: LibvirtDomain
    private let xml: DomainXML
    private let state: LibvirtDomain.State
    private let isActive: Bool
    /// Whether its files are at hand.
    private let isLocal: Bool
    /// For commands that are told.
    private let word: String

    private static let agentSeconds = 5.0
    private static let imageSeconds = 30.0

    init(_ domain: LibvirtDomain) throws(LifeboatError) {
        self.domain = domain
        xml = try DomainXML(parsing: try domain.xml(), subject: domain.name)
        state = try domain.state()
        isActive = try domain.isActive()
        isLocal = domain.connection.isLocal
        word = ShellWord.quoted(domain.name)
    }

    func findings() throws(LifeboatError) -> [MachineFinding] {
        var findings: [MachineFinding] = []
        for disk in xml.disks { findings += examine(disk) + errorPolicy(disk) }
        findings += try life()
        if xml.disks.contains(where: { LibvirtMachine.omission($0) == nil }) {
            findings += agent()
        } else {
            findings.append(
                finding(
                    .advice, "disks",
                    "none of its disks is backed up: its points hold its definition only"))
        }
        findings += try checkpoints()
        findings += try job()
        return findings
    }

    private func finding(
        _ severity: MachineFinding.Severity, _ check: String, _ message: String,
        _ advice: String? = nil
    ) -> MachineFinding {
        .init(severity, check, machine: domain.name, message, advice: advice)
    }

    // MARK: disks

    private func examine(_ disk: DomainXML.Disk) -> [MachineFinding] {
        let name = disk.target
        if let why = LibvirtMachine.omission(disk) {
            return [finding(.good, "disks", "\(name) is not backed up: \(why)")]
        }
        let path: String?
        do throws(LifeboatError) {
            path = try domain.connection.path(of: disk)
        } catch {
            return [
                finding(
                    .problem, "disks",
                    "\(name), \(disk.source ?? ""), is not here: " + (error.cause ?? error.message),
                    "see that its storage pool is active: `virsh pool-list --all`")
            ]
        }
        if let path, isLocal, !Files.exists(path) {
            return [
                finding(
                    .problem, "disks", "\(name) is not here, so it cannot be backed up: \(path)",
                    "bring it back, or leave it out with `--exclude-disk \(name)`")
            ]
        }
        if path == nil, !isActive {
            return [
                finding(
                    .problem, "disks",
                    "\(name) is on \(disk.kind) storage, which can be read only while the machine "
                        + "runs",
                    "start it for its backups, paused if need be, or leave that disk out with "
                        + "`--exclude-disk \(name)`")
            ]
        }
        guard disk.format == "qcow2" else {
            return [
                finding(
                    .advice, "disks",
                    "\(name) has the format \(disk.format), so all of it is read each time",
                    incrementally(disk))
            ]
        }
        guard let path, isLocal else {
            return [finding(.good, "disks", "\(name) can be read incrementally")]
        }
        guard
            let image = try? ImageTool.information(
                path, format: "qcow2", timeoutSeconds: Self.imageSeconds)
        else {
            return [
                finding(
                    .warning, "disks", "\(name) cannot be read as qcow2 by this host: \(path)",
                    "see that qemu-img is installed, that this user may read the image, and what "
                        + "`qemu-img info \(ShellWord.quoted(path))` says")
            ]
        }
        var findings: [MachineFinding] = []
        if image.format == "qcow2", !image.keepsBitmaps {
            findings.append(
                finding(
                    .warning, "disks",
                    "\(name) is qcow2 of the old version, which keeps no record of changes",
                    "while the machine is shut off: `qemu-img amend -f qcow2 -o compat=1.1 "
                        + "\(ShellWord.quoted(path))`"))
        } else {
            findings.append(finding(.good, "disks", "\(name) can be read incrementally"))
        }
        if image.snapshotCount > 0 {
            findings.append(
                finding(
                    .warning, "disks",
                    "\(name) has internal snapshots (\(image.snapshotCount)), which "
                        + "are no part of its points",
                    "going back to one makes the record of changes wrong: the next backup after "
                        + "that should read all; delete those that are not needed"))
        }
        return findings
    }

    /// How a disk that is not qcow2 could keep a record of changes; `nil` where it cannot.
    private func incrementally(_ disk: DomainXML.Disk) -> String? {
        guard disk.format == "raw" else {
            return "convert it to qcow2 while the machine is shut off: `qemu-img convert -O qcow2`"
        }
        guard isLocal, disk.kind == "file" || disk.kind == "block" else { return nil }
        // There is no place beside a device.
        let metadata =
            disk.kind == "block"
            ? " --metadata "
                + ShellWord.quoted("/var/lib/libvirt/images/\(domain.name)-\(disk.target).qcow2")
            : ""
        return "while the machine is shut off, `lifeboat machines track \(word) "
            + "\(disk.target)\(metadata)` lets it keep a record of changes"
    }

    /// A guest whose write fails for want of room in a scratch file must wait, and not be told.
    private func errorPolicy(_ disk: DomainXML.Disk) -> [MachineFinding] {
        guard LibvirtMachine.omission(disk) == nil, let policy = disk.errorPolicy,
            policy == "report" || policy == "ignore"
        else { return [] }
        return [
            finding(
                .warning, "error-policy",
                "\(disk.target) has error_policy='\(policy)', so its guest loses writes when there "
                    + "is no room for scratch files",
                "take the attribute away from the disk's driver, or set it to enospace or stop")
        ]
    }

    // MARK: its life

    private func life() throws(LifeboatError) -> [MachineFinding] {
        var findings: [MachineFinding] = []
        if try !domain.isPersistent() {
            findings.append(
                finding(
                    .advice, "definition",
                    "it has no lasting definition: when it ends, this host knows nothing of it",
                    "`virsh dumpxml --security-info \(word) > FILE` and `virsh define FILE` make "
                        + "one"))
        }
        if !isActive, try domain.hasManagedSave() {
            findings.append(
                finding(
                    .advice, "saved-memory",
                    "its memory is saved, and is in no point: its points hold what its disks have, "
                        + "as after a crash", "start it, and shut it down or let it run"))
        }
        guard state == .paused else { return findings }
        if try domain.isPausedByDiskError() {
            findings.append(
                finding(
                    .problem, "paused", "it stands still because one of its disks had an error",
                    "see which: `virsh domblkerror \(word)`; mend that, and `virsh resume \(word)`")
            )
        }
        return findings
    }

    // MARK: the agent

    private func agent() -> [MachineFinding] {
        guard xml.hasAgentChannel else {
            return [
                finding(
                    .warning, "agent",
                    "it has no channel for a guest agent, so its points are crash-consistent",
                    "add a channel org.qemu.guest_agent.0 and install qemu-guest-agent in the guest"
                )
            ]
        }
        guard isActive else {
            return [finding(.good, "agent", "it is shut off, and needs no quiescing")]
        }
        guard state != .paused else {
            return [
                finding(
                    .advice, "agent",
                    "it is paused, so its agent cannot answer, and its points are crash-consistent",
                    "`virsh resume \(word)` lets it run")
            ]
        }
        let quiescer = LibvirtQuiescer(
            domain: domain, socket: isLocal ? xml.agentSocket : nil, mayFreeSocket: false)
        let isFrozen: Bool
        do throws(LifeboatError) {
            isFrozen = try quiescer.isFrozen(timeoutSeconds: Self.agentSeconds)
        } catch {
            if error.code == .denied {
                return [
                    finding(
                        .warning, "agent", "its agent does not let it be frozen",
                        "allow guest-fsfreeze-* in the agent's configuration in the guest")
                ]
            }
            return [
                finding(
                    .warning, "agent",
                    "its agent does not answer, so its points are crash-consistent: "
                        + (error.cause ?? error.message),
                    "install and start qemu-guest-agent in the guest; where it runs, restart it")
            ]
        }
        if isFrozen {
            return [
                finding(
                    .problem, "frozen", "its file systems are frozen now: the guest cannot write",
                    "if no backup of it runs: `virsh domfsthaw \(word)`")
            ]
        }
        var findings = [finding(.good, "agent", "its agent answers, and it can be frozen")]
        if let system = try? quiescer.system(timeoutSeconds: Self.agentSeconds) {
            if !system.allowsCommands {
                findings.append(
                    finding(
                        .advice, "agent-commands",
                        "its agent allows no commands, so no process in the guest would thaw it "
                            + "should this host fail meanwhile",
                        "allow guest-exec and guest-exec-status in the agent's configuration"))
            }
            findings.append(
                finding(
                    .advice, "hooks",
                    system.isWindows
                        ? "its applications are quiesced by VSS where their writers are installed"
                        : "its applications are quiesced only where the agent runs freeze hooks "
                            + "that fail when they fail; Debian's own ignores their failures",
                    system.isWindows
                        ? "set the agent's VssOption to 5 where a database has backups of its own"
                        : nil))
        }
        return findings
    }

    // MARK: checkpoints and jobs

    private func checkpoints() throws(LifeboatError) -> [MachineFinding] {
        var findings: [MachineFinding] = []
        let foreign = try domain.checkpoints().map(\.name).filter { SnapshotName($0) == nil }
        if !foreign.isEmpty {
            findings.append(
                finding(
                    .advice, "checkpoints",
                    "another program keeps checkpoints of it: " + foreign.joined(separator: ", "),
                    "if that program is not used any more, delete them: "
                        + "`virsh checkpoint-delete \(word) NAME`"))
        }
        guard isActive else { return findings }
        let broken = try LibvirtMachine.bitmaps(domain).values.joined()
            .filter { $0.isInconsistent && SnapshotName($0.name) != nil }
        if !broken.isEmpty {
            findings.append(
                finding(
                    .advice, "bitmaps",
                    "a record of changes was lost in a crash; the next backup reads all and mends "
                        + "it"))
        }
        return findings
    }

    private func job() throws(LifeboatError) -> [MachineFinding] {
        guard isActive, let job = try domain.backupXML() else { return [] }
        let isOurs = job.contains("/" + SnapshotName.prefix)
        return [
            finding(
                isOurs ? .advice : .warning, "job",
                isOurs
                    ? "a backup of it runs, or was left by a run that died: the next one ends it"
                    : "another program has a backup job on it, and there can be only one",
                isOurs
                    ? nil
                    : "wait until it has ended, or end it: `virsh domjobabort \(word)`")
        ]
    }
}
