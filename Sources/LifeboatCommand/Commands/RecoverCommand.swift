import ArgumentParser
import Lifeboat
import LifeboatCore
import LifeboatMachine
import LifeboatSystem

/// `recover`: brings machines back.
struct RecoverCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "recover",
        abstract: "Bring machines of a recovery point back.",
        discussion: """
            Each machine is defined anew on a libvirt host, with new disks. First all that is \
            missing or in the way is looked for, and told in one list; nothing that exists is \
            touched unless that is asked for, and a machine that runs never is.

            With --instant the machines run within seconds: what their disks do not have yet is \
            read from the repository, and copied while they run; --detach leaves that to a process in \
            the background, and --sessions shows how far it is. With --in-place the disks of a \
            machine that is shut off become what the point holds; only what differs is written. \
            docs/recovery.md tells more.

            Example:

              lifeboat recover latest web --to libvirt --directory /var/lib/libvirt/images \
            --network production=test --start --check agent --recovery-key-file recovery.key
            """)

    @Argument(
        help: ArgumentHelp(
            "An id, a unique prefix, or latest.", valueName: "point"))
    var point: String?

    @Argument(help: ArgumentHelp("Only these machines of the point.", valueName: "machine"))
    var machines: [String] = []

    @Option(
        name: .customLong("to"),
        help: ArgumentHelp("The hypervisor: libvirt, or libvirt:URI.", valueName: "place"))
    var place = "libvirt"

    @Option(
        help: ArgumentHelp("New disks go into this folder.", valueName: "dir"),
        completion: .directory)
    var directory: String?

    @Option(help: ArgumentHelp("New disks go into this storage pool.", valueName: "name"))
    var pool: String?

    @Option(help: ArgumentHelp("What new disks are: qcow2 or raw.", valueName: "format"))
    var format = "qcow2"

    @Option(
        name: .customLong("rename"),
        help: ArgumentHelp("Give a machine another name; may be repeated.", valueName: "old=new"))
    var names: [String] = []

    @Option(
        name: .customLong("network"),
        help: ArgumentHelp(
            """
            Connect what was connected to this network, bridge or device to that network; * stands \
            for all others. May be repeated.
            """, valueName: "old=new"))
    var networks: [String] = []

    @Flag(
        exclusivity: .exclusive,
        help: "Whether network interfaces keep their hardware addresses or get new ones.")
    var addresses = Addresses.keepMac

    @Option(
        name: .customLong("disk"),
        help: ArgumentHelp(
            "Only this disk, as vda or MACHINE/vda; may be repeated.", valueName: "disk"))
    var disks: [String] = []

    @Flag(help: "Start the machines.")
    var start = false

    @Flag(help: "Let the machines run at once, and copy their disks while they do.")
    var instant = false

    @Flag(
        name: .customLong("in-place"),
        help: "Roll the disks of machines that are there, and shut off, back.")
    var isInPlace = false

    @Flag(help: "A machine of the same name that is shut off loses its definition, not its disks.")
    var replace = false

    @Flag(help: "Go on with an interrupted recovery.")
    var resume = false

    @Option(
        name: .customLong("resume-session"),
        help: ArgumentHelp(
            "Go on looking after machines that run by --instant.", valueName: "session"))
    var session: String?

    @Flag(
        help: "With --instant: return when the machines run; a process in the background goes on.")
    var detach = false

    @Flag(
        name: .customLong("sessions"),
        help: "List machines that run by --instant and whose disks are not whole yet.")
    var listsSessions = false

    /// Not for users: what runs in the background is told where it has to write.
    @Option(name: .customLong("keeper-log"), help: .hidden)
    var keeperLog: String?

    @Flag(
        name: .customLong("dry-run"), help: "Only tell what would be done, and what is in the way.")
    var isDryRun = false

    @Option(
        name: .customLong("check"),
        help: ArgumentHelp(
            """
            What a started machine must do: agent, tcp:PORT, http:PATH=TEXT, \
            http://HOST/PATH=TEXT, or command:/PATH ARGUMENT in the guest. May be repeated.
            """, valueName: "check"))
    var checks: [String] = []

    @Option(
        name: .customLong("check-timeout"),
        help: ArgumentHelp("How long the checks may take.", valueName: "seconds"))
    var checkSeconds = 120.0

    @Flag(name: .customLong("no-verify"), help: "Do not read again what was written.")
    var noVerify = false

    @OptionGroup var filter: FilterOptions
    @OptionGroup var resources: ResourceOptions
    @OptionGroup var recoveryKey: RecoveryKeyOptions
    @OptionGroup var secret: SecretOptions
    @OptionGroup var repository: RepositoryOptions
    @OptionGroup var output: OutputOptions

    /// The two ways with hardware addresses.
    enum Addresses: String, EnumerableFlag {
        case keepMac, newMac
    }

    func validate() throws {
        if listsSessions {
            guard point == nil, session == nil else {
                throw ValidationError("--sessions lists all sessions: name no point and no session")
            }
            return
        }
        if detach, !instant && session == nil || isDryRun {
            throw ValidationError("--detach belongs to --instant and --resume-session")
        }
        if point == nil, session == nil { throw ValidationError("name a point, or latest") }
        if point != nil, session != nil {
            throw ValidationError("a session knows its point: leave the point out")
        }
        if directory != nil, pool != nil {
            throw ValidationError("give one of --directory and --pool")
        }
        if isInPlace, instant { throw ValidationError("give one of --in-place and --instant") }
        if isInPlace, directory != nil || pool != nil || replace {
            throw ValidationError("--in-place uses the disks that are there")
        }
        if instant, format != "qcow2" { throw ValidationError("--instant makes qcow2 disks") }
        if !checks.isEmpty, !start, !instant, session == nil {
            throw ValidationError("checks need a machine that runs: give --start or --instant")
        }
        if !(checkSeconds > 0) { throw ValidationError("--check-timeout must be positive") }
        _ = try usageChecked { () throws(LifeboatError) in try options() }
    }

    func options() throws(LifeboatError) -> RecoverOptions {
        var options = RecoverOptions(point: point ?? "latest")
        options.filter = try filter.filter()
        options.machines = machines
        if place == "libvirt" {
            options.uri = LibvirtConnection.systemURI
        } else if place.hasPrefix("libvirt:"), place.utf8.count > 8 {
            options.uri = String(place.dropFirst(8))
        } else {
            throw LifeboatError(
                .usage, "--to \(place) is no place for machines", subject: place,
                advice: "give libvirt or libvirt:URI")
        }
        options.place = directory.map { .directory($0) } ?? pool.map { .pool($0) }
        guard let format = RecoverOptions.Format(rawValue: format) else {
            throw LifeboatError(
                .usage, "--format \(format) is neither qcow2 nor raw", subject: format)
        }
        options.format = format
        options.names = try NamePairs.names(names, option: "--rename")
        options.networks = try NamePairs.names(networks, option: "--network")
        options.keepsAddresses = addresses == .keepMac
        options.disks = disks
        options.replaces = replace
        options.starts = start
        options.isInPlace = isInPlace
        options.isInstant = instant
        options.resumes = resume
        options.isDryRun = isDryRun
        for text in checks { options.checks.append(try RecoveryCheck(text)) }
        options.checkSeconds = checkSeconds
        options.verifies = !noVerify
        options.keeperLog = keeperLog
        options.memory = resources.memory.bytes
        options.threads = resources.threads
        return options
    }

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        if listsSessions {
            let operations = try run.operations(
                repository, secret, recoveryKeyFile: recoveryKey.file)
            return Report(instantSessions: try operations.instantSessions())
        }
        let options = try options()
        guard let key = recoveryKey.file else {
            throw LifeboatError(
                .usage, "reading data back needs the recovery key",
                advice: "give --recovery-key-file with the file that init wrote")
        }
        let operations = try run.operations(repository, secret, recoveryKeyFile: key)
        if detach {
            let command =
                [Files.executable]
                + CommandLine.arguments.dropFirst().filter { $0 != "--detach" }
                + ["--json", "--progress", "none"]
            return Report(try operations.recoverInBackground(command))
        }
        if let session {
            return Report(try operations.resumeInstantRecovery(session, options))
        }
        return Report(try operations.recover(options))
    }
}
