import ArgumentParser
import Lifeboat
import LifeboatCore
import LifeboatMachine
import LifeboatSystem

/// `backup`: turns disks into one recovery point.
struct BackupCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "backup",
        abstract: "Make a recovery point of volumes, or of machines that run on.",
        discussion: """
            A volume is NAME=SOURCE, or a SOURCE that is named by the last part of its path. The \
            first = splits; put ./ before a path that has one. SOURCE is a file, a block device, \
            or - for standard input. All volumes form one point. A source that somebody may \
            write meanwhile gives consistency none, and the point says so.

            A machine is libvirt:DOMAIN, qemu:QMP-SOCKET[,agent=SOCKET] or dir-hooks:FILE. It is \
            quiesced for a moment, its disks are snapshotted together, it runs on, and the point \
            is made of the snapshots: all disks and the machine's definition. Several machines \
            form one point of one instant.

            With a spool, the point waits there while the link is suspended; the next backup that \
            reaches the store sends it. See spool.

            Example:

              lifeboat backup --machine web root=/dev/vg/web-root data=/dev/vg/web-data
              lifeboat backup libvirt:web
              lifeboat backup --machine shop --group web,db --quiesce require
            """)

    @Argument(
        help: ArgumentHelp(
            "Volumes, NAME=SOURCE or SOURCE; or machines.", valueName: "source"),
        completion: .file())
    var volumes: [String] = []

    @Option(
        help: ArgumentHelp(
            """
            The machine that the volumes belong to; by default this host's name, or that of the \
            machine that is backed up. A group needs one.
            """, valueName: "name"))
    var machine: String?

    @Option(
        name: .customLong("changed-extents"),
        help: ArgumentHelp(
            """
            A file that tells which extents of a volume changed since its base point; refused \
            for another base. May be repeated.
            """, valueName: "name=file"), completion: .file())
    var changedExtents: [String] = []

    @Option(
        help: ArgumentHelp(
            "The point to compare with; by default the machine's newest.", valueName: "point"))
    var parent: String?

    @Option(
        name: .customLong("tag"),
        help: ArgumentHelp("A tag for the point; may be repeated.", valueName: "key=value"))
    var tags: [String] = []

    @Flag(name: .customLong("dry-run"), help: "Read and compare, but store nothing.")
    var isDryRun = false

    @Option(
        name: .customLong("compression-level"),
        help: ArgumentHelp("The zstd level, from 1 (fast) to 19 (small).", valueName: "level"))
    var compressionLevel: Int32 = 3

    @Flag(
        name: .customLong("no-fingerprints"),
        help: "Hash all that is read, instead of comparing faster fingerprints first.")
    var noFingerprints = false

    @Option(
        name: .customLong("audit-chunks"),
        help: ArgumentHelp(
            "Of what --changed-extents calls unchanged, read at most this many chunks again.",
            valueName: "count"))
    var auditChunks = 1024

    @Option(
        name: .customLong("audit-bytes"),
        help: ArgumentHelp("The same limit in bytes.", valueName: "size"))
    var auditBytes = ByteCountArgument(64 << 20)

    @OptionGroup(title: "Options for machines") var machines: MachineOptions
    @OptionGroup var resources: ResourceOptions
    @OptionGroup var secret: SecretOptions
    @OptionGroup var spool: SpoolOptions
    @OptionGroup var repository: RepositoryOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if spool.directory != nil, spool.size == nil {
            throw ValidationError("--spool needs --spool-size")
        }
        _ = try usageChecked { () throws(LifeboatError) in try options(host: "localhost") }
        if !(1...19).contains(compressionLevel) {
            throw ValidationError("--compression-level goes from 1 to 19")
        }
        if auditChunks < 0 { throw ValidationError("--audit-chunks must not be negative") }
        if machine?.isEmpty == true { throw ValidationError("--machine must not be empty") }
    }

    /// What the operation is asked for; `host` names the machine where the user did not.
    func options(host: String) throws(LifeboatError) -> BackupOptions {
        let (found, volumes) = try machines.split(volumes)
        let sources = try VolumeArgument.parse(volumes)
        if found.isEmpty, sources.isEmpty {
            throw LifeboatError(
                .usage, "there is nothing to back up", advice: "name a volume or a machine")
        }
        if found.count > 1, machine == nil {
            throw LifeboatError(
                .usage, "a group of machines needs a name", advice: "give --machine")
        }
        var options = BackupOptions(machine: machine ?? host, sources: sources)
        options.changedExtents = try NamePairs.changedExtents(
            changedExtents, volumes: sources.map(\.name))
        options.parent = parent
        options.tags = try NamePairs.tags(tags)
        options.isDryRun = isDryRun
        options.usesFingerprints = !noFingerprints
        options.compressionLevel = compressionLevel
        options.auditChunks = auditChunks
        options.auditBytes = auditBytes.bytes
        options.memory = resources.memory.bytes
        options.threads = resources.threads
        return options
    }

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        var options = try options(host: HostName.current)
        let found = try machines.split(volumes).machines
        if !found.isEmpty {
            options.members = try machines.members(found)
            if machine == nil, let only = options.members.first?.machine.name {
                options.machine = only
            }
            options.runDirectory = run.environment.runDirectory
            if let directory = machines.scratchDirectory {
                options.scratchDirectory = directory
            } else {
                options.scratchDirectory = try run.environment.scratchDirectory(
                    option: repository.state.directory)
            }
            options.guardian = GuardianProcess([Files.executable, "guardian"])
        }
        let operations = try run.operations(repository, secret, spool: spool)
        return Report(try operations.backup(options), isDryRun: isDryRun)
    }
}
