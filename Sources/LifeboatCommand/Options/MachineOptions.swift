import ArgumentParser
import Lifeboat
import LifeboatCore
import LifeboatMachine
import LifeboatSystem

/// How live machines are protected.
struct MachineOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            """
            Machines of one point, whose snapshots start together: libvirt domains, or sources \
            such as qemu:SOCKET.
            """, valueName: "a,b,c"))
    var group: String?

    @Option(
        help: ArgumentHelp(
            "The hypervisor of libvirt: sources; by default qemu:///system.", valueName: "uri"))
    var connect: String?

    @Option(
        help: ArgumentHelp(
            """
            require: frozen, or no point. prefer: frozen where that works. crash: not frozen. \
            pause: stopped while the snapshot starts. stateless: the definition only. By default \
            prefer.
            """, valueName: "policy"))
    var quiesce: QuiescePolicy?

    @Option(
        name: .customLong("freeze-timeout"),
        help: ArgumentHelp(
            "A guest is thawed after so long, whatever happens; by default 20s.",
            valueName: "duration"))
    var freezeTimeout: DurationArgument?

    @Option(
        name: .customLong("mount-point"),
        help: ArgumentHelp(
            "Freeze this mount point of the guest only; may be repeated.", valueName: "path"))
    var mountPoints: [String] = []

    @Flag(
        name: .customLong("freeze-hooks"),
        help: """
            The guest's agent runs hooks that quiesce its applications, and fails the freeze when \
            one fails: the point is application-consistent then.
            """)
    var hasFreezeHooks = false

    @Flag(
        name: .customLong("no-dead-man"),
        help: "Start no process in the guest that would thaw it by itself.")
    var hasNoDeadMan = false

    @Option(
        name: .customLong("disk"),
        help: ArgumentHelp(
            "Back up this disk only, such as vda; may be repeated.", valueName: "target"))
    var disks: [String] = []

    @Option(
        name: .customLong("exclude-disk"),
        help: ArgumentHelp("Leave this disk out; may be repeated.", valueName: "target"))
    var excludedDisks: [String] = []

    @Option(
        name: .customLong("policy"),
        help: ArgumentHelp(
            "A file with hooks, guest commands and all of the above for each machine.",
            valueName: "file"), completion: .file())
    var policyFile: String?

    @Option(
        name: .customLong("scratch-directory"),
        help: ArgumentHelp(
            "Where scratch files go that grow with what the guest writes meanwhile.",
            valueName: "dir"), completion: .directory)
    var scratchDirectory: String?

    @Option(
        name: .customLong("scratch-size"),
        help: ArgumentHelp(
            "What they may take; beyond it the backup fails, never the guest's writes.",
            valueName: "size"))
    var scratchSize: ByteCountArgument?

    @Option(
        name: .customLong("foreign-checkpoints"),
        help: ArgumentHelp(
            "Another tool's checkpoints: leave them, adopt (delete) them, or refuse.",
            valueName: "what"))
    var foreignCheckpoints: ProtectionPolicy.ForeignCheckpoints?

    func validate() throws {
        if let timeout = freezeTimeout, !(1000...600_000).contains(timeout.milliseconds) {
            throw ValidationError("--freeze-timeout goes from 1s to 10m")
        }
        if group?.split(separator: ",").isEmpty == true {
            throw ValidationError("--group names no machine")
        }
        if !disks.isEmpty, !excludedDisks.isEmpty {
            throw ValidationError("give --disk or --exclude-disk, not both")
        }
    }

    /// Whether any of these was given, so that there must be a machine.
    var isUsed: Bool {
        connect != nil || quiesce != nil || freezeTimeout != nil || !mountPoints.isEmpty
            || hasFreezeHooks || hasNoDeadMan || !disks.isEmpty || !excludedDisks.isEmpty
            || policyFile != nil || scratchDirectory != nil || scratchSize != nil
            || foreignCheckpoints != nil
    }

    /// The machines among these sources and in the group, and the sources that are volumes.
    func split(
        _ sources: [String]
    ) throws(LifeboatError) -> (machines: [MachineSource], volumes: [String]) {
        var found: [MachineSource] = []
        var volumes: [String] = []
        for text in sources {
            if let source = try MachineSource(parsing: text) {
                found.append(source)
            } else {
                volumes.append(text)
            }
        }
        if let group { found += try MachineSource.group(parsing: group) }
        if found.isEmpty, isUsed {
            throw LifeboatError(
                .usage, "there is no machine that these options could be about",
                advice: "name one, such as libvirt:NAME")
        }
        if let volume = volumes.first, !found.isEmpty {
            throw LifeboatError(
                .usage, "a point is made of machines or of volumes, not of both",
                subject: volume, advice: "make two backups")
        }
        return (found, volumes)
    }

    /// Reaches the machines, and decides how each is protected.
    func members(_ sources: [MachineSource]) throws(LifeboatError) -> [BackupMember] {
        let policies = try policies()
        var members: [BackupMember] = []
        for source in sources {
            let machine = try source.open(connection: connect)
            members.append(
                BackupMember(machine, policy: overridden(policies.policy(for: machine.name))))
        }
        return members
    }

    private func policies() throws(LifeboatError) -> ProtectionPolicies {
        guard let policyFile else { return ProtectionPolicies() }
        let bytes = try Files.readWhole(policyFile, limit: 1 << 20)
        return try ProtectionPolicies(
            yaml: String(decoding: bytes, as: UTF8.self), path: policyFile)
    }

    private func overridden(_ policy: ProtectionPolicy) -> ProtectionPolicy {
        var policy = policy
        if let quiesce { policy.quiesce = quiesce }
        if let freezeTimeout { policy.freezeSeconds = Double(freezeTimeout.milliseconds) / 1000 }
        if !mountPoints.isEmpty { policy.mountPoints = mountPoints }
        if hasFreezeHooks { policy.hasFreezeHooks = true }
        if hasNoDeadMan { policy.armsDeadMan = false }
        if !disks.isEmpty { policy.includedDisks = disks }
        if !excludedDisks.isEmpty { policy.excludedDisks = excludedDisks }
        if let scratchSize { policy.scratchBytes = scratchSize.bytes }
        if let foreignCheckpoints { policy.foreignCheckpoints = foreignCheckpoints }
        return policy
    }
}
